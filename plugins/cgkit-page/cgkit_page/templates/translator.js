// The worker that translates: started when first needed, ended to cancel, and started again after that.

class Cancelled extends Error {}

class Translator {
  #worker = null;
  #started = null;
  #wasm = null;
  #script = null;
  #networks = new Map();
  #sent = new Set();
  #reject = null;
  #isCancelled = false;
  webgpu = false; // whether the runtime can use WebGPU
  device = null; // what computed the last translation: "wasm" or "webgpu"

  // Return the translation of an image as ImageData; `report` is called with the completed share and what is done.
  async translate(pixels, direction, sizes, report) {
    this.#isCancelled = false;
    report(null, "loading the network");
    const task = { width: pixels.width, height: pixels.height, direction, sizes };
    const worker = await this.prepare(direction.direction);
    if (this.#isCancelled) {
      this.#end();
      throw new Cancelled();
    }
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      worker.onmessage = ({ data }) => {
        if (data.kind === "progress") report(data.share, data.what);
        else if (data.kind === "done") {
          this.device = data.device;
          resolve(new ImageData(data.pixels, data.width, data.height));
        } else {
          this.#end(); // its memory may be exhausted
          reject(new Error(explain(data.message, data.isOpening)));
        }
      };
      worker.onerror = (event) => {
        event.preventDefault();
        this.#end();
        reject(new Error(explain(event.message || "", false)));
      };
      const copy = pixels.data.slice();
      worker.postMessage({ kind: "translate", task, pixels: copy }, [copy.buffer]);
    });
  }

  cancel() {
    this.#isCancelled = true;
    this.#end();
    this.#reject?.(new Cancelled());
  }

  // Return the worker with the runtime and a network loaded, or being loaded.
  async prepare(name) {
    this.#started ??= this.#start();
    const worker = await this.#started;
    if (!this.#networks.has(name)) this.#networks.set(name, loadData(name));
    const model = await this.#networks.get(name);
    if (worker === this.#worker && !this.#sent.has(name)) {
      this.#sent.add(name);
      worker.postMessage({ kind: "network", name, model });
    }
    return worker;
  }

  async #start() {
    this.#wasm ??= await loadData("wasm");
    this.#worker = await this.#create();
    this.#worker.postMessage({ kind: "runtime", wasm: this.#wasm, webgpu: this.webgpu });
    return this.#worker;
  }

  async #create() {
    if (!isEmbedded) return new Worker("worker.js");
    this.#script ??= URL.createObjectURL(new Blob([await loadText("worker")], { type: "text/javascript" }));
    return new Worker(this.#script);
  }

  #end() {
    this.#worker?.terminate();
    this.#worker = this.#started = null;
    this.#sent.clear();
  }
}

function explain(message, isOpening) {
  if (/memory|alloc|abort|range ?error|invalid array length|array buffer/i.test(message)) {
    return isOpening
      ? "there is not enough memory for the network; close other tabs, or use another device"
      : "there is not enough memory for this image; close other tabs, or use a smaller image";
  }
  return message || "the translation failed";
}
