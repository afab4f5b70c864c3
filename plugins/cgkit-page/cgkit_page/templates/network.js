// One direction's network in ONNX Runtime Web, and the statistics of its norms.

class Network {
  // `device` is "wasm", or "webgpu" for the graphics card.
  static async open(model, device) {
    const options = { executionProviders: [device], logSeverityLevel: 3 };
    const session = await ort.InferenceSession.create(model, options);
    return new Network(session);
  }

  constructor(session) {
    this.session = session;
    const index = session.inputNames.indexOf("statistics");
    this.length = index < 0 ? 0 : session.inputMetadata[index].shape[0];
    this.statistics = null; // those that all norms use; null if each image has its own
  }

  async run(planes, channels, height, width) {
    const { translations } = await this.#call(planes, channels, height, width, false);
    return translations.data;
  }

  // Use the statistics of several images, averaged, for all that follow.
  async freeze(images) {
    this.statistics = null;
    if (!this.length) return;
    const half = this.length / 2;
    const means = new Float64Array(half);
    const squares = new Float64Array(half);
    let count = 0;
    for await (const { planes, channels, height, width } of images) {
      const { measured } = await this.#call(planes, channels, height, width, true);
      for (let i = 0; i < half; i++) {
        const mean = measured.data[i];
        means[i] += mean;
        squares[i] += measured.data[half + i] + mean * mean;
      }
      count++;
    }
    const statistics = new Float32Array(this.length);
    for (let i = 0; i < half; i++) {
      statistics[i] = means[i] / count;
      statistics[half + i] = Math.max(0, squares[i] / count - (means[i] / count) ** 2);
    }
    this.statistics = statistics;
  }

  thaw() {
    this.statistics = null;
  }

  async #call(planes, channels, height, width, collecting) {
    const feeds = { images: new ort.Tensor("float32", planes, [1, channels, height, width]) };
    if (this.length) {
      feeds.frozen = new ort.Tensor("bool", [this.statistics !== null], []);
      feeds.collecting = new ort.Tensor("bool", [collecting], []);
      feeds.statistics = new ort.Tensor("float32", this.statistics ?? new Float32Array(this.length), [this.length]);
    }
    const wanted = collecting ? ["measured"] : ["translations"];
    return this.session.run(feeds, wanted);
  }
}
