// What the archive actions say of themselves.
#ifndef PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ARCHIVE_DESCRIPTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ARCHIVE_DESCRIPTION_H_

#include "action/action.h"
#include "scaffolder-actions/archive/archive_action.h"

namespace purser::actions {

action::Description DescribePack(ArchiveForm form);
action::Description DescribeUnpack(ArchiveForm form);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ARCHIVE_DESCRIPTION_H_
