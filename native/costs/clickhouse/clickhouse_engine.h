// Costs of fleets that outgrow one machine: charges and what allocation makes of them on ClickHouse
// servers, everything else in the store.
//
//   options.engine = [&](const costs::Options& options) {
//     return costs::OpenClickHouseEngine(options, {.servers = {"http://ch:8123"}}, transport);
//   };
#ifndef PURSER_COSTS_CLICKHOUSE_CLICKHOUSE_ENGINE_H_
#define PURSER_COSTS_CLICKHOUSE_CLICKHOUSE_ENGINE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/clickhouse/client.h"
#include "costs/engine.h"
#include "http/transport.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::costs {

// Of the block `costs.engine` of purserd's configuration, whose password is a secret reference for
// `resolve_secret`. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<ClickHouseOptions> ReadClickHouseOptions(
    const nlohmann::json& config,
    std::function<absl::StatusOr<std::string>(absl::string_view reference)> resolve_secret);

// Makes the tables that are missing. `options` and `transport` outlive it; transport may repeat
// what is repeatable. UNAVAILABLE: no server, or not all of them.
absl::StatusOr<std::unique_ptr<Engine>> OpenClickHouseEngine(const Options& options,
                                                             ClickHouseOptions clickhouse,
                                                             http::Transport& transport);

}  // namespace purser::costs

#endif  // PURSER_COSTS_CLICKHOUSE_CLICKHOUSE_ENGINE_H_
