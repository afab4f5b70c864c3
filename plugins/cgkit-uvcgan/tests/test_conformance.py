from cgkit.testing import conformance


@conformance("cgkit-uvcgan")
def test_every_component_keeps_its_contract(check):
    check()
