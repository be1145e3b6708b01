// purser.v1.ActionService and purser.v1.ProviderService over the registries of this process.
#ifndef PURSER_RPC_HOSTING_SERVICE_H_
#define PURSER_RPC_HOSTING_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <map>
#include <stop_token>
#include <string>

#include "action/action.h"
#include "base/mutex.h"
#include "http/transport.h"
#include "provider/provider.h"
#include "provider/source_host.h"
#include "purser/v1/hosting.grpc.pb.h"
#include "rpc/call.h"

namespace purser::rpc {

class ActionService final : public purser::v1::ActionService::WithCallbackMethod_RunAction<
                                purser::v1::ActionService::Service> {
 public:
  // All must outlive the server.
  ActionService(const action::Registry& registry, http::Transport& transport, CallGuard& guard,
                StreamThreads& threads)
      : registry_(registry), transport_(transport), guard_(guard), threads_(threads) {}

  grpc::Status ListActions(grpc::ServerContext* context,
                           const purser::v1::ListActionsRequest* request,
                           purser::v1::ListActionsResponse* response) override;
  grpc::ServerWriteReactor<purser::v1::RunActionResponse>* RunAction(
      grpc::CallbackServerContext* context, const purser::v1::RunActionRequest* request) override;
  grpc::Status CancelAction(grpc::ServerContext* context,
                            const purser::v1::CancelActionRequest* request,
                            purser::v1::CancelActionResponse* response) override;

 private:
  const action::Registry& registry_;
  http::Transport& transport_;
  CallGuard& guard_;
  StreamThreads& threads_;
  base::Mutex mutex_;
  // Running calls by idempotency key, so that CancelAction finds them.
  std::multimap<std::string, std::stop_source*> running_ ABSL_GUARDED_BY(mutex_);
};

class ProviderService final
    : public purser::v1::ProviderService::WithCallbackMethod_RefreshProvider<
          purser::v1::ProviderService::Service> {
 public:
  // All must outlive the server.
  ProviderService(const provider::Registry& registry, provider::SourceHost& host, CallGuard& guard,
                  StreamThreads& threads)
      : registry_(registry), host_(host), guard_(guard), threads_(threads) {}

  grpc::Status ListProviders(grpc::ServerContext* context,
                             const purser::v1::ListProvidersRequest* request,
                             purser::v1::ListProvidersResponse* response) override;
  grpc::ServerWriteReactor<purser::v1::RefreshProviderResponse>* RefreshProvider(
      grpc::CallbackServerContext* context,
      const purser::v1::RefreshProviderRequest* request) override;

 private:
  const provider::Registry& registry_;
  provider::SourceHost& host_;
  CallGuard& guard_;
  StreamThreads& threads_;
};

}  // namespace purser::rpc

#endif  // PURSER_RPC_HOSTING_SERVICE_H_
