"""Messages and stubs for Python, made from the .proto files alone."""

import subprocess
import sys
import tempfile

import harness


def generate(test_class):
    """By protoc and gRPC's plugin (Debian's python3-grpc-tools is too old for `optional`); gone with the test class."""
    folder = tempfile.TemporaryDirectory(prefix="precis_stubs_")
    test_class.addClassCleanup(folder.cleanup)
    protos = sorted((harness.ROOT / "proto/precis/v1").glob("*.proto"))
    plugin = subprocess.run(["which", "grpc_python_plugin"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["protoc", f"--proto_path={harness.ROOT / 'proto'}", f"--python_out={folder.name}",
                    f"--grpc_out={folder.name}", f"--plugin=protoc-gen-grpc={plugin}", *map(str, protos)], check=True)
    sys.path.insert(0, folder.name)
