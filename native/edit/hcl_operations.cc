// Operations on Terraform files, read from their JSON form.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/hcl.h"
#include "edit/operations.h"

namespace purser::edit {
namespace {

// "resource.aws_s3_bucket.logs" or ["resource", "aws_s3_bucket", "logs"]; several blocks by "/" or
// a list of lists.
absl::StatusOr<std::vector<std::vector<std::string>>> BlockOf(const Model& block) {
  std::vector<std::vector<std::string>> path;
  const auto add = [&](std::vector<std::string> selector) -> absl::Status {
    if (selector.empty() || !IsHclIdentifier(selector[0])) {
      return absl::InvalidArgumentError("must begin with a block's type");
    }
    path.push_back(std::move(selector));
    return absl::OkStatus();
  };
  if (block.is_string()) {
    const std::string& text = block.get_ref<const std::string&>();
    if (text.empty()) return path;
    for (const absl::string_view part : absl::StrSplit(text, '/')) {
      PURSER_RETURN_IF_ERROR(add(absl::StrSplit(part, '.')));
    }
  } else if (block.is_array()) {
    const bool nested = !block.empty() && block[0].is_array();
    const Model list = nested ? block : Model::array({block});
    for (const Model& selector : list) {
      std::vector<std::string> names;
      for (const Model& name : selector) {
        if (!name.is_string()) return absl::InvalidArgumentError("must hold strings");
        names.push_back(name.get<std::string>());
      }
      if (names.empty() && !nested) return path;
      PURSER_RETURN_IF_ERROR(add(std::move(names)));
    }
  } else {
    return absl::InvalidArgumentError("must be a string or a list");
  }
  if (path.size() > kMaxHclDepth)
    return absl::InvalidArgumentError("too many blocks inside each other");
  return path;
}

absl::StatusOr<HclOperation> ParseOne(const Model& text) {
  if (!text.is_object()) return absl::InvalidArgumentError(": must be an object");
  HclOperation operation;
  const std::string op = text.value("op", "");
  if (op == "set") {
    operation.kind = HclOperation::Kind::kSet;
  } else if (op == "delete") {
    operation.kind = HclOperation::Kind::kDelete;
  } else if (op == "addBlock") {
    operation.kind = HclOperation::Kind::kAddBlock;
  } else if (op == "removeBlock") {
    operation.kind = HclOperation::Kind::kRemoveBlock;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("/op: unknown operation \"", base::EscapeForDisplay(op, 40),
                     "\"; known are set, delete, addBlock, removeBlock"));
  }
  if (const auto block = text.find("block"); block != text.end()) {
    absl::StatusOr<std::vector<std::vector<std::string>>> path = BlockOf(*block);
    if (!path.ok()) return base::Annotate(path.status(), "/block");
    operation.block = *std::move(path);
  }
  operation.name = text.value("name", "");
  if (!IsHclIdentifier(operation.name)) {
    return absl::InvalidArgumentError(
        "/name: must be a name: letters, digits, _ and -, and no digit in front");
  }
  if (const auto labels = text.find("labels"); labels != text.end()) {
    for (const Model& label : *labels) {
      if (!label.is_string()) return absl::InvalidArgumentError("/labels: must hold strings");
      operation.labels.push_back(label.get<std::string>());
    }
  }
  operation.create = text.value("create", false);
  operation.duplicate = text.value("duplicate", false);
  if (operation.kind == HclOperation::Kind::kSet) {
    if (text.contains("value") == text.contains("expression")) {
      return absl::InvalidArgumentError("/value: give either \"value\" or \"expression\"");
    }
    operation.value =
        text.contains("value") ? text["value"] : Model{{kExpressionKey, text["expression"]}};
    if (absl::Status valid = CheckValue(operation.value); !valid.ok()) {
      return base::Annotate(valid, "/value");
    }
    if (absl::Status valid = HclLiteral(operation.value, 0).status(); !valid.ok()) {
      return base::Annotate(valid, text.contains("value") ? "/value" : "/expression");
    }
  }
  if (operation.kind == HclOperation::Kind::kAddBlock) {
    operation.body = text.value("body", Model::object());
    if (absl::Status valid = CheckValue(operation.body); !valid.ok()) {
      return base::Annotate(valid, "/body");
    }
    if (absl::Status valid = HclBodyText(operation.body, 0).status(); !valid.ok()) {
      return base::Annotate(valid, "/body");
    }
  }
  return operation;
}

}  // namespace

absl::StatusOr<std::vector<HclOperation>> ParseHclOperations(const Model& operations) {
  if (!operations.is_array()) return absl::InvalidArgumentError(": must be a list of operations");
  if (operations.size() > kMaxOperations) {
    return absl::InvalidArgumentError(absl::StrCat(
        ": ", operations.size(), " operations, more than ", kMaxOperations, " (kMaxOperations)"));
  }
  std::vector<HclOperation> parsed;
  for (const Model& text : operations) {
    absl::StatusOr<HclOperation> operation = ParseOne(text);
    if (!operation.ok()) {
      return absl::Status(operation.status().code(),
                          absl::StrCat("/", parsed.size(), operation.status().message()));
    }
    parsed.push_back(*std::move(operation));
  }
  return parsed;
}

}  // namespace purser::edit
