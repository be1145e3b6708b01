// The running sidecar: everything that purserd consists of, made in order and stopped in reverse.
#ifndef PURSER_SIDECAR_APP_H_
#define PURSER_SIDECAR_APP_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sidecar/config.h"

namespace purser::sidecar {

class App {
 public:
  // Checks what --check-config promises beyond the file itself: connectors, blueprints, allocation
  // rules. Opens no store and no socket.
  static absl::Status Check(const Config& config);

  // Opens the state, starts workers and listeners. When it returns, requests are answered.
  static absl::StatusOr<std::unique_ptr<App>> Start(Config config);
  ~App();

  // Refuses new work, lets calls in flight end within `grace`, persists, joins. Idempotent.
  void Stop(absl::Duration grace);

  // Where metrics and health are, also when the configuration asks for any free port.
  uint16_t http_port() const;

 private:
  struct Parts;
  explicit App(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_APP_H_
