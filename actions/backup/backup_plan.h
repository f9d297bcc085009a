// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "actions/backup/backup_config.h"

namespace actions::backup {

// What a run of the backup does, one line a step in their order, for people: "stop     geth.service, for 30m at most".
// Reads the configuration, and for a client's data which folders are there; does nothing. Whether a client may be
// stopped is only known when it is asked.
std::vector<std::string> plan_of(const BackupConfig& config);

}  // namespace actions::backup
