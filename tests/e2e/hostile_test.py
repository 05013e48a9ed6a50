"""Requests from whoever means harm, or knows no better: every one gets an answer with a code that says whose fault it
is, and the server and its running search do not notice.

    tests/e2e/hostile_test.py [--requests 10000] [--seed 1]     (PRECIS_BIN: the folder of the programs)
"""

import argparse
import collections
import harness
import json
import random
import stubs
import sys
import time
import unittest

import grpc

OPTIONS = argparse.Namespace(requests=1000, seed=1)
# What may be buffered (ServingLimits::max_buffer_bytes), and as much again for what the allocator keeps.
MOST_GROWTH_MIB = 192
DEADLINE_S = 20

# What a stranger may be told. UNKNOWN and INTERNAL would be our fault, DEADLINE_EXCEEDED and UNAVAILABLE a server that
# is in trouble.
CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "PERMISSION_DENIED",
         "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "DATA_LOSS"}
# gRPC's own answers to bytes that are no message; without a text where the call is asynchronous.
NO_MESSAGE = {"INTERNAL"}

WHOLE = [0, 1, -1, 7, 2**31 - 1, -2**31, 2**53, 2**63 - 1, -2**63]
REAL = [0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e308, 5e-324, 1e-3]
TEXTS = ["", "x", "A" * 100_000, "../../etc/passwd", "/etc/passwd", "/dev/zero", "/proc/self/mem", "/", "file:///etc/passwd",
         "a\0b", "\x1b[2J\x07", "\u202etxt.exe", "%s%n%x", "'; DROP TABLE jobs; --", "jobs/", "jobs/../x", "jobs/aaaaaaaaaaaa",
         "jobs/aaaaaaaaaaaa/candidates/1", "jobs/aaaaaaaaaaaa/candidates/99999999999999999999", "jobs/-1/candidates/-1",
         "int4", "int999", "e99m99", "mxfp4:ceil:floor", "resnet8", "resnet999", "fashion_mnist", "bops", "1.1x int4", "1e999x int4",
         "nan", "-5 GBOPs", "number desc", "accuracy", "AAAA", "=" * 50, "\U0001f4a9" * 300]


def scalar(draw, field):
    """A value of the field's type, seldom a good one."""
    kinds = field
    if field.cpp_type in (kinds.CPPTYPE_INT32, kinds.CPPTYPE_UINT32, kinds.CPPTYPE_INT64, kinds.CPPTYPE_UINT64):
        low, high = {kinds.CPPTYPE_INT32: (-2**31, 2**31 - 1), kinds.CPPTYPE_UINT32: (0, 2**32 - 1),
                     kinds.CPPTYPE_INT64: (-2**63, 2**63 - 1), kinds.CPPTYPE_UINT64: (0, 2**64 - 1)}[field.cpp_type]
        return min(max(draw.choice(WHOLE), low), high)
    if field.cpp_type in (kinds.CPPTYPE_DOUBLE, kinds.CPPTYPE_FLOAT):
        return draw.choice(REAL)
    if field.cpp_type == kinds.CPPTYPE_BOOL:
        return draw.random() < 0.5
    if field.cpp_type == kinds.CPPTYPE_ENUM:
        return draw.choice([0, 1, 2, 99, -1, 2**31 - 1])
    if field.type == field.TYPE_BYTES:
        return draw.randbytes(draw.choice([0, 1, 100, 20_000]))
    return draw.choice(TEXTS)


def fill(draw, message, depth=0):
    """Sets some fields to hostile values."""
    for field in message.DESCRIPTOR.fields:
        if draw.random() < 0.5:
            continue
        repeated = field.label == field.LABEL_REPEATED
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        count = draw.choice([1, 2, 5]) if repeated else 1
        if repeated and draw.random() < 0.01:
            count = 5000
        for _ in range(count):
            if field.cpp_type == field.CPPTYPE_MESSAGE:
                if depth < 6:
                    target = getattr(message, field.name)
                    fill(draw, target.add() if repeated else target, depth + 1)
            elif repeated:
                getattr(message, field.name).append(scalar(draw, field))
            else:
                setattr(message, field.name, scalar(draw, field))
    return message


def damaged(draw, data):
    """Bytes that are hardly a message any more."""
    how = draw.randrange(5)
    if how == 0:
        return data[:draw.randrange(len(data) + 1)]
    if how == 1:
        return draw.randbytes(draw.choice([1, 10, 1000]))
    if how == 2:  # a message in a message in a message …
        nested = b""
        for _ in range(draw.choice([50, 2000])):
            nested = b"\x0a" + length(len(nested)) + nested
        return nested
    if how == 3:  # a string that claims 2 GiB
        return b"\x0a\xff\xff\xff\xff\x07" + data
    changed = bytearray(data or b"\0")
    for _ in range(4):
        changed[draw.randrange(len(changed))] = draw.choice([0xff, 0xc0, 0x80, 0])
    return bytes(changed)


def length(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


class HostileTest(harness.EndToEndTest):
    @classmethod
    def setUpClass(cls):
        stubs.generate(cls)
        # pylint: disable=import-outside-toplevel,import-error
        from precis.v1 import admin_service_pb2, search_service_pb2, worker_service_pb2
        from google.protobuf import message_factory
        cls.errors = search_service_pb2.InvalidArgument
        factory = message_factory.MessageFactory()
        cls.methods = [
            (f"/{service.full_name}/{method.name}", factory.GetPrototype(method.input_type), method.name)
            for module in (search_service_pb2, worker_service_pb2, admin_service_pb2)
            for service in module.DESCRIPTOR.services_by_name.values() for method in service.methods]

    def memory_mib(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024

    def call(self, channel, path, data, metadata):
        """Code, message and trailing metadata. Streams are read for a few messages."""
        method = channel.unary_stream(path, request_serializer=None, response_deserializer=None)
        answer = method(data, timeout=DEADLINE_S, metadata=metadata)
        try:
            for i, _ in enumerate(answer):
                if i == 3:
                    answer.cancel()
                    return "OK", "", ()
            return "OK", "", answer.trailing_metadata()
        except grpc.RpcError as error:
            return error.code().name, error.details(), error.trailing_metadata()

    def test_nothing_harms_the_server(self):
        self.serve()
        running = self.submit(harness.TINY_JOB.replace("epochs: 0.3", "epochs: 0.3"))
        self.wait_for_steps(running)
        draw = random.Random(OPTIONS.seed)
        channels = [grpc.insecure_channel(self.server.address) for _ in range(4)]
        codes = collections.Counter()
        before = 0
        begin = time.monotonic()
        for number in range(OPTIONS.requests):
            if number == OPTIONS.requests // 4:
                before = self.memory_mib()  # pools and caches are warm by then
            path, make, name = draw.choice(self.methods)
            message = fill(draw, make())
            if name == "WatchJob" and draw.random() < 0.5:
                message.name = running
            data = message.SerializeToString()
            broken = draw.random() < 0.2
            if broken:
                data = damaged(draw, data)
            if draw.random() < 0.003:
                data += b"\x7a" + length(6 << 20) + bytes(6 << 20)  # more than a message may have
            metadata = draw.choice([(), (("authorization", "Bearer " + "x" * 300),), (("precis-worker-secret", "wrong"),),
                                    (("authorization", "Basic =="),)])
            code, text, trailing = self.call(draw.choice(channels), path, data, metadata)
            codes[code] += 1
            said = f"request {number}, {path}: {code}: {text[:300]}"
            self.assertIn(code, CODES | (NO_MESSAGE if broken or len(data) > 4 << 20 else set()), said)
            if code != "OK" and not broken:
                self.assertTrue(text, said)
            if name == "SubmitJob" and code == "INVALID_ARGUMENT":
                violations = self.violations(trailing)
                self.assertTrue(violations, said)
                self.assertTrue(all(each.message for each in violations), said)
        seconds = time.monotonic() - begin
        grown = self.memory_mib() - before
        print(f"{OPTIONS.requests} requests in {seconds:.0f} s: {dict(codes)}; {grown:.1f} MiB grown of {before:.0f}")
        self.assertGreater(codes["INVALID_ARGUMENT"], OPTIONS.requests / 10)
        self.assertLess(grown, MOST_GROWTH_MIB)
        job = harness.wait_for("the search to end", lambda: (lambda j: j if j["state"] != "running" else None)(self.job(running)), 120)
        self.assertEqual((job["state"], job.get("restarts", 0)), ("succeeded", 0), json.dumps(job)[:2000])

    def violations(self, trailing):
        for key, value in trailing or ():
            if key == "precis-invalid-argument-bin":
                return list(self.errors.FromString(value).violations)
        return []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--requests", type=int, default=OPTIONS.requests)
    parser.add_argument("--seed", type=int, default=OPTIONS.seed)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)
