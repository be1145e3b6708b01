// The blocks of a write-ahead log, laid out before they are needed.
//
// A commit that makes its file longer has the file system write its own tables too, which takes
// several times as long as the data itself; one that overwrites blocks which are there costs a
// single write. SQLite uses its log from the beginning again after each checkpoint, so that it is
// enough to lengthen it once. What stands behind the last commit is not read: frames carry
// checksums that zeros do not have.
#ifndef PURSER_STORE_SQLITE_LOG_H_
#define PURSER_STORE_SQLITE_LOG_H_

#include <cstdint>
#include <string>

namespace purser::store {

// Lengthens the file at `path` with zeros to `bytes`. Does nothing when it is as long already, or
// when it cannot (a full disk, a limit): commits are slower then, nothing else. Nobody may write to
// the file meanwhile.
void LayOutLog(const std::string& path, int64_t bytes);

}  // namespace purser::store

#endif  // PURSER_STORE_SQLITE_LOG_H_
