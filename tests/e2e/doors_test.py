"""Who gets in: TLS, tokens and their roles, client certificates, the audit, and folders that jobs may name; with the
real programs, and every method that the live server tells of."""

import grpc
import harness
import os
import subprocess
import unittest
from google.protobuf import descriptor_pb2

NO_WORKER = ("--worker", "/bin/false")
DENIED, UNAVAILABLE, UNAUTHENTICATED = 64 + 7, 64 + 14, 64 + 16
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
HEALTH = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch")


def fields(message):
    """(number, bytes) of the length-delimited fields of a serialised message."""
    def varint(at):
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at
    at, found = 0, []
    while at < len(message):
        tag, at = varint(at)
        size, at = varint(at)
        if tag & 7 == 2:
            found.append((tag >> 3, message[at:at + size]))
            at += size
    return found


class DoorsTest(harness.EndToEndTest):
    def setUp(self):
        super().setUp()
        self.certs = self.make_certs("certs")
        self.variables = {}

    def make_certs(self, name):
        folder = self.folder / name
        subprocess.run(["bash", harness.ROOT / "deploy/make-dev-certs.sh", folder], check=True, capture_output=True)
        return folder

    def environment(self):
        kept = {k: v for k, v in super().environment().items() if not k.startswith(("PRECIS_TLS", "PRECIS_TOKEN"))}
        return kept | self.variables

    def tls(self):
        return ("--tls-cert", self.certs / "server.pem", "--tls-key", self.certs / "server.key")

    def serve_tokens(self, *options):
        """A server with TLS and tokens, and an environment that has its authority and the first admin's token."""
        server = self.serve(*NO_WORKER, "--auth", "token", *self.tls(), *options)
        self.variables = {"PRECIS_TLS_CA": str(self.certs / "ca.pem"),
                          "PRECIS_TOKEN": (server.data_dir / "admin.token").read_text().strip()}
        return server

    def make_token(self, name, role, *options):
        return self.precis("admin", "token", "create", name, "--role", role, *options, code=0).out.strip()

    def start_fails(self, *options):
        done = subprocess.run([harness.BIN / "precisd", "--data-dir", self.folder / "data", *map(str, options), *NO_WORKER],
                              capture_output=True, text=True, timeout=harness.DEADLINE_S, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertFalse((self.folder / "data").exists(), "nothing half-done")
        return done.stderr

    def test_an_address_that_others_reach_needs_tls_and_tokens(self):
        for options in ((), self.tls(), ("--auth", "token")):
            said = self.start_fails("--listen", "0.0.0.0:0", *options)
            self.assertIn("0.0.0.0:0", said)
            self.assertIn("TLS and tokens", said)

    def test_all_faults_of_the_files_at_once(self):
        other = self.make_certs("other")
        said = self.start_fails("--listen", "127.0.0.1:0", "--tls-cert", self.certs / "server.pem", "--tls-key",
                                other / "server.key", "--tls-client-ca", self.folder / "none.pem", "--data-root",
                                self.folder / "nowhere", "--worker-listen", "10.0.0.1:1")
        for part in (str(other / "server.key"), "is not the key", str(self.folder / "none.pem"), "nowhere", "10.0.0.1:1"):
            self.assertIn(part, said)

    def test_the_certificate_maker_overwrites_nothing(self):
        before = (self.certs / "ca.key").read_bytes()
        again = subprocess.run(["bash", harness.ROOT / "deploy/make-dev-certs.sh", self.certs], capture_output=True, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertEqual((self.certs / "ca.key").read_bytes(), before)

    def test_roles_revocation_and_the_audit(self):
        server = self.serve_tokens()
        self.assertEqual((server.data_dir / "admin.token").stat().st_mode & 0o777, 0o600)
        admin = self.variables["PRECIS_TOKEN"]
        submitter, reader = self.make_token("ci", "submit", "--expires", "90d"), self.make_token("eyes", "read")

        self.variables["PRECIS_TOKEN"] = submitter
        job = self.submit()
        self.precis("admin", "token", "list", code=DENIED)

        self.variables["PRECIS_TOKEN"] = reader
        self.assertEqual(self.job(job)["name"], job)
        refused = self.precis("submit", "-", stdin=harness.TINY_JOB, code=DENIED)
        for part in ("role submit", "token eyes", "role read"):
            self.assertIn(part, refused.err)

        self.variables["PRECIS_TOKEN"] = admin
        self.precis("admin", "token", "revoke", "ci", code=0)
        self.variables["PRECIS_TOKEN"] = submitter
        self.assertIn("token ci was revoked", self.precis("list", code=UNAUTHENTICATED).err)
        del self.variables["PRECIS_TOKEN"]
        self.assertIn("--token-file", self.precis("list", code=UNAUTHENTICATED).err)
        token_file = self.folder / "token"
        token_file.write_text(admin + "\n")
        audit = self.precis("--token-file", token_file, "admin", "audit", "-o", "json", code=0).json()
        seen = [(r["principal"], r["method"].rsplit("/", 1)[1], r["resource"], r["code"], r["refused"]) for r in audit]
        for record in (("admin", "CreateToken", "tokens/ci", "OK", False), ("ci", "SubmitJob", job, "OK", False),
                       ("eyes", "SubmitJob", "", "PERMISSION_DENIED", True), ("ci", "ListJobs", "", "UNAUTHENTICATED", True),
                       ("anonymous", "ListJobs", "", "UNAUTHENTICATED", True)):
            self.assertIn(record, seen)
        self.assertTrue(all(r["peer"].startswith("ipv4:127.0.0.1:") for r in audit if not r["refused"]), audit)
        tokens = {t["name"]: t for t in self.precis("--token-file", token_file, "admin", "token", "list", "-o", "json", code=0).json()}
        self.assertTrue(tokens["tokens/ci"]["expire_time"] and tokens["tokens/ci"]["revoke_time"] and tokens["tokens/eyes"]["last_use_time"])

        self.assertEqual(server.stop(), 0)
        written = server.log().encode() + b"".join(p.read_bytes() for p in server.data_dir.glob("precis.db*"))
        for secret in (admin, submitter, reader):
            self.assertNotIn(secret.encode(), written)
        # Revoked stays revoked.
        self.serve(*NO_WORKER, "--auth", "token", *self.tls())
        self.variables["PRECIS_TOKEN"] = submitter
        self.precis("list", code=UNAUTHENTICATED)

    def test_every_method_that_the_server_tells_of_is_guarded(self):
        server = self.serve_tokens()
        admin, reader = self.variables["PRECIS_TOKEN"], self.make_token("eyes", "read")
        channel = grpc.secure_channel(server.address, grpc.ssl_channel_credentials((self.certs / "ca.pem").read_bytes()))
        self.addCleanup(channel.close)

        def bearer(token):
            return (("authorization", "Bearer " + token),) if token else ()

        def ask(request):
            answers = channel.stream_stream(REFLECTION)(iter([request]), metadata=bearer(reader), timeout=harness.DEADLINE_S)
            return fields(next(iter(answers)))

        methods = set()
        for number, listing in ask(b"\x3a\x00"):
            for _, service in fields(listing) if number == 6 else ():
                name = fields(service)[0][1]
                for kind, found in ask(b"\x22" + bytes([len(name)]) + name):
                    for _, file in fields(found) if kind == 4 else ():
                        parsed = descriptor_pb2.FileDescriptorProto.FromString(file)
                        methods |= {f"/{parsed.package}.{s.name}/{m.name}" for s in parsed.service for m in s.method}
        self.assertGreaterEqual(len(methods), 22, methods)
        self.assertIn(REFLECTION, methods)
        self.assertFalse([m for m in methods if "WorkerService" in m], "workers have a port of their own")

        def outcome(method, token):
            try:
                for _ in channel.unary_stream(method)(b"", metadata=bearer(token), timeout=5):
                    break
                return grpc.StatusCode.OK
            except grpc.RpcError as error:
                return error.code()

        not_read = {"SubmitJob", "CancelJob", "PauseJob", "ResumeJob", "RetryJob", "DeleteJob", "InspectModel", "CreateToken", "ListTokens", "RevokeToken", "ListAuditRecords",
                    "CreateBackup", "CheckData"}
        doors = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
        for method in sorted(methods | {"/precis.v1.SearchService/Nonsense", "/precis.v1.WorkerService/StartWork"}):
            self.assertEqual(outcome(method, None), grpc.StatusCode.UNAUTHENTICATED, method)
            self.assertEqual(outcome(method, "precis_" + "0" * 64), grpc.StatusCode.UNAUTHENTICATED, method)
            if method == "/precis.v1.WorkerService/StartWork":
                continue
            closed = method.rsplit("/", 1)[1] in not_read | {"Nonsense"}
            if closed:
                self.assertEqual(outcome(method, reader), grpc.StatusCode.PERMISSION_DENIED, method)
            else:
                self.assertNotIn(outcome(method, reader), doors, method)
            if method in methods:
                self.assertNotIn(outcome(method, admin), doors, method)
        for method in HEALTH:
            self.assertEqual(outcome(method, None), grpc.StatusCode.OK, "health is open to load balancers")

    def test_certificates(self):
        server = self.serve_tokens()
        other = self.make_certs("other")
        self.precis("list", code=0)
        refused = self.precis("--tls-ca", other / "ca.pem", "list", code=UNAVAILABLE)
        self.assertIn("not of the authority", refused.err)
        plain = self.precis("version")
        self.assertIn("precisd", plain.out)
        self.variables.pop("PRECIS_TLS_CA")
        self.assertIn("--tls-ca", self.precis("list", code=UNAVAILABLE).err)
        self.assertIn("unencrypted", self.precis("--server", "192.0.2.1:7070", "list", code=1).err)

        # Replaced on disk, served without a restart.
        self.variables["PRECIS_TLS_CA"] = str(other / "ca.pem")
        for name in ("server.key", "server.pem"):
            os.replace(other / name, self.certs / name)
        harness.wait_for("the new certificate", lambda: self.precis("list").code == 0, 20)
        self.assertIsNone(server.process.poll())

    def test_mutual_tls(self):
        self.serve_tokens("--tls-client-ca", self.certs / "ca.pem")
        self.assertIn("--tls-cert", self.precis("list", code=UNAVAILABLE).err)
        mine = ("--tls-cert", self.certs / "client.pem", "--tls-key", self.certs / "client.key")
        self.precis(*mine, "admin", "token", "create", "ci", "--role", "read", code=0)
        audit = self.precis(*mine, "admin", "audit", "-o", "json", code=0).json()
        self.assertIn("CN=precis client", audit[0]["peer"])
        other = self.make_certs("other")
        self.precis("--tls-cert", other / "client.pem", "--tls-key", other / "client.key", "list", code=UNAVAILABLE)

    def test_tokens_work_on_a_loopback_port_without_tls(self):
        server = self.serve(*NO_WORKER, "--auth", "token")
        self.precis("list", code=UNAUTHENTICATED)
        self.precis("--token-file", server.data_dir / "admin.token", "list", code=0)

    def test_paths_stay_under_the_roots(self):
        inside = harness.write_image_folder(self.folder / "roots" / "images", 40, 20)
        outside = harness.write_image_folder(self.folder / "outside", 40, 20)
        (self.folder / "roots" / "link").symlink_to(outside)
        holds_link = harness.write_image_folder(self.folder / "roots" / "mixed", 40, 20)
        (holds_link / "train" / "dark" / "x.png").symlink_to(outside / "train" / "dark" / "00000.png")
        self.serve(*NO_WORKER, "--data-root", self.folder / "roots")

        def check(path):
            return self.precis("validate", "-", "--set", "data.name=image_folder", "--set", f"data.path={path}", "--set",
                               "data.search_images=20", stdin=harness.TINY_JOB)

        for path in (outside, self.folder / "roots" / "link", holds_link, self.folder / "roots" / ".." / "outside", "/etc"):
            said = check(path)
            self.assertEqual(said.code, 1, said.out)
            self.assertIn("data.path", said.err)
            self.assertIn(str(path), said.err)
            self.assertIn("--data-root", said.err)
        self.assertNotIn("--data-root", check(inside).err)


@unittest.skipUnless((harness.BIN / "precis-worker").exists(), "needs LibTorch")
class WorkerDoorTest(DoorsTest):
    def test_a_job_runs_pauses_and_goes_on_behind_tls_and_tokens(self):
        server = self.serve("--auth", "token", *self.tls())
        self.variables = {"PRECIS_TLS_CA": str(self.certs / "ca.pem"),
                          "PRECIS_TOKEN_FILE": str(server.data_dir / "admin.token")}
        job = self.submit()
        self.wait_for_steps(job)
        self.precis("pause", job, code=0)
        step = self.wait_for_state(job, "paused")["progress"]["step"]
        self.precis("resume", job, code=0)  # in a second worker, with a secret of its own
        harness.wait_for("the second worker", lambda: self.job(job)["progress"]["step"] > step)
        self.precis("cancel", job, code=0)
        audit = self.precis("admin", "audit", "-o", "json", code=0).json()
        self.assertEqual([(r["method"].rsplit("/", 1)[1], r["resource"]) for r in audit if not r["refused"]],
                         [(method, job) for method in ("CancelJob", "ResumeJob", "PauseJob", "SubmitJob")])


def load_tests(loader, _tests, _pattern):
    """The worker's test once, not all of them twice."""
    suite = loader.loadTestsFromTestCase(DoorsTest)
    suite.addTest(WorkerDoorTest("test_a_job_runs_pauses_and_goes_on_behind_tls_and_tokens"))
    return suite


if __name__ == "__main__":
    unittest.main()
