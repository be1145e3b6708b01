// What the values of expressions are converted to, and the functions that are computed; nobody
// outside this folder includes this.
#ifndef PURSER_DOCUMENT_HCL_FUNCTIONS_H_
#define PURSER_DOCUMENT_HCL_FUNCTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace purser::document {

// As a template shows a value; nullopt for what has no text.
std::optional<std::string> HclTextOf(const nlohmann::json& value);
std::optional<double> HclNumberOf(const nlohmann::json& value);
std::optional<bool> HclBoolOf(const nlohmann::json& value);
// A whole number where it is one.
nlohmann::json HclJsonOf(double number);

// The value of a call; nullopt for functions that are not computed here and for arguments that the
// function does not take.
std::optional<nlohmann::json> CallHclFunction(const std::string& name,
                                              const std::vector<nlohmann::json>& arguments);

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_HCL_FUNCTIONS_H_
