// ThreadSanitizer cannot see how Debian's gRPC, protobuf and Abseil libraries synchronise, since they are
// not instrumented, and so takes everything that passes through a call for a race. In this one test program
// reports with a frame of theirs are left out; the store, the launcher and the job manager are raced without
// any suppression in the other ones.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libgrpc.so\n"
         "called_from_lib:libgrpc++.so\n"
         "called_from_lib:libgpr.so\n"
         "race:grpc::\n"
         "race:grpc_core::\n"
         "race:google::protobuf\n"
         "race:libgrpc.so\n"
         "race:libgrpc++.so\n"
         "race:libgpr.so\n"
         "race:libupb.so\n"
         "race:libabsl_\n";
}
