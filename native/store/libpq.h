// libpq, loaded when the first PostgreSQL store is opened: programs that keep their state in SQLite
// neither need the library nor pay for it and what it brings along.
#ifndef PURSER_STORE_LIBPQ_H_
#define PURSER_STORE_LIBPQ_H_

#include <libpq-fe.h>

#include "absl/status/statusor.h"

namespace purser::store {

// The functions used, under their own names.
struct Libpq {
#define PURSER_LIBPQ_FUNCTIONS(F) \
  F(PQconnectdbParams)            \
  F(PQconninfoParse)              \
  F(PQconninfoFree)               \
  F(PQfreemem)                    \
  F(PQfinish)                     \
  F(PQstatus)                     \
  F(PQerrorMessage)               \
  F(PQserverVersion)              \
  F(PQsocket)                     \
  F(PQsetnonblocking)             \
  F(PQsetNoticeProcessor)         \
  F(PQenterPipelineMode)          \
  F(PQexitPipelineMode)           \
  F(PQsendPrepare)                \
  F(PQsendQueryPrepared)          \
  F(PQsendQueryParams)            \
  F(PQpipelineSync)               \
  F(PQflush)                      \
  F(PQconsumeInput)               \
  F(PQisBusy)                     \
  F(PQgetResult)                  \
  F(PQsetSingleRowMode)           \
  F(PQexec)                       \
  F(PQencryptPasswordConn)        \
  F(PQresultStatus)               \
  F(PQresultErrorField)           \
  F(PQresultErrorMessage)         \
  F(PQcmdTuples)                  \
  F(PQcmdStatus)                  \
  F(PQntuples)                    \
  F(PQnfields)                    \
  F(PQfname)                      \
  F(PQftype)                      \
  F(PQgetisnull)                  \
  F(PQgetvalue)                   \
  F(PQgetlength)                  \
  F(PQclear)
#define PURSER_LIBPQ_MEMBER(name) decltype(&::name) name = nullptr;
  PURSER_LIBPQ_FUNCTIONS(PURSER_LIBPQ_MEMBER)
#undef PURSER_LIBPQ_MEMBER

  // The library, loaded once and for good. FAILED_PRECONDITION names the package to install.
  static absl::StatusOr<const Libpq*> Load();
};

}  // namespace purser::store

#endif  // PURSER_STORE_LIBPQ_H_
