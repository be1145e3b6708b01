// For tests that fake a part of the service: everything they do not override is UNIMPLEMENTED.
#ifndef PURSER_PROVISIONING_TESTING_UNIMPLEMENTED_SERVICE_H_
#define PURSER_PROVISIONING_TESTING_UNIMPLEMENTED_SERVICE_H_

#include <optional>
#include <vector>

#include "provisioning/service.h"

namespace purser::provisioning {

class UnimplementedService : public Service {
 public:
  absl::StatusOr<Request> Create(const CreateOptions&) override { return No(); }
  absl::StatusOr<Request> Get(absl::string_view) override { return No(); }
  absl::StatusOr<RequestPage> List(const ListOptions&) override { return No(); }
  absl::StatusOr<Request> Approve(absl::string_view, absl::string_view, absl::string_view,
                                  const Actor&) override {
    return No();
  }
  absl::StatusOr<Request> Reject(absl::string_view, absl::string_view, const Actor&) override {
    return No();
  }
  absl::StatusOr<Request> Cancel(absl::string_view, const Actor&) override { return No(); }
  absl::StatusOr<Request> Retry(absl::string_view, const Actor&) override { return No(); }
  absl::StatusOr<Request> SkipStep(absl::string_view, absl::string_view, const Actor&) override {
    return No();
  }
  absl::StatusOr<Request> MarkDone(absl::string_view, absl::string_view, const nlohmann::json&,
                                   const Actor&) override {
    return No();
  }
  absl::StatusOr<Request> Fork(absl::string_view, absl::string_view, absl::string_view,
                               const Actor&) override {
    return No();
  }
  absl::Status Deliver(const Delivery&) override { return No(); }
  absl::StatusOr<Holding> GetHolding(absl::string_view) override { return No(); }
  absl::StatusOr<HoldingPage> ListHoldings(const ListHoldingsOptions&) override { return No(); }
  absl::StatusOr<Holding> Renew(absl::string_view, std::optional<absl::Time>, absl::string_view,
                                const Actor&) override {
    return No();
  }
  absl::StatusOr<Holding> Protect(absl::string_view, bool, const Actor&) override { return No(); }
  absl::StatusOr<Holding> Inspect(absl::string_view, std::stop_token) override { return No(); }
  absl::StatusOr<OrphanPage> ListOrphans(int, absl::string_view) override { return No(); }
  absl::Status ForgetOrphan(absl::string_view, absl::string_view, const Actor&) override {
    return No();
  }
  absl::StatusOr<std::vector<Decision>> ListDecisions(int) override { return No(); }
  absl::StatusOr<AuditReport> VerifyAudit() override { return No(); }
  absl::Status Watch(absl::string_view, int64_t, bool, std::stop_token,
                     const std::function<absl::Status(const Event&)>&) override {
    return No();
  }
  std::vector<BlueprintInfo> ListBlueprints() override { return {}; }
  absl::StatusOr<nlohmann::json> GetBlueprint(absl::string_view) override { return No(); }
  absl::Status CheckBlueprintText(absl::string_view, absl::string_view) override { return No(); }

 private:
  static absl::Status No() { return absl::UnimplementedError("not faked"); }
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_TESTING_UNIMPLEMENTED_SERVICE_H_
