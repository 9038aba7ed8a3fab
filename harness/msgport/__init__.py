"""A conformance harness for DragonFly BSD's LWKT message ports, described by msgport.9."""
