// What `precis` exits with. `precis help exit-codes` prints kExitCodesHelp; scripts may rely on it.
#pragma once

namespace precis::client {

inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 1;      // bad command line, bad job file, a local file that cannot be used
inline constexpr int kExitFailed = 2;     // the job that was watched FAILED
inline constexpr int kExitCancelled = 3;  // the job that was watched was CANCELLED
inline constexpr int kExitRpc = 64;       // + the gRPC code of the call that failed
inline constexpr int kExitInterrupted = 130;  // Ctrl-C

inline constexpr char kExitCodesHelp[] =
    R"(Exit codes
    0  done; for submit --watch and watch: the job succeeded
    1  a mistake on this side: command line, job file (whoever found the fault, this program or the
       server), or a local file that cannot be read or written; doctor: something is FAIL;
       admin backup, admin check: data have faults
    2  the job that was watched failed
    3  the job that was watched was cancelled
  130  watching was interrupted with Ctrl-C; the job goes on
 64+c  the server answered with gRPC code c, or could not be reached:
         67  INVALID_ARGUMENT     a value the server refuses (other than a job file's)
         68  DEADLINE_EXCEEDED    no answer within --timeout
         69  NOT_FOUND            no such job, candidate or metric
         70  ALREADY_EXISTS       the request id was used for another job
         71  PERMISSION_DENIED    the token's role is too low
         72  RESOURCE_EXHAUSTED   the server is full
         73  FAILED_PRECONDITION  not in this state: deleting a running job, exporting an unfinished one
         75  OUT_OF_RANGE         watch --after a number that has not been reached
         76  UNIMPLEMENTED        the server is older than this program
         77  INTERNAL             a fault of the server
         78  UNAVAILABLE          no server there, TLS that does not fit, or it was lost while watching
         80  UNAUTHENTICATED      no token, or one that is unknown, revoked or expired
)";

}  // namespace precis::client
