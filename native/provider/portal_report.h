// A PortalReport as text, for the store.
#ifndef PURSER_PROVIDER_PORTAL_REPORT_H_
#define PURSER_PROVIDER_PORTAL_REPORT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "provider/source_log.h"

namespace purser::provider {

std::string ToText(const PortalReport& report);
// An empty one for what is no such text.
PortalReport PortalReportFrom(absl::string_view text);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_PORTAL_REPORT_H_
