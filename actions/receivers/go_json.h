// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "actions/receivers/notification.h"

namespace actions::receivers {

// The bytes that Go's encoding/json writes for the same value, which is what receivers of Alertmanager were built for:
// compact, with <, >, & and the two Unicode line separators escaped, invalid UTF-8 replaced. No trailing newline.
std::string go_dump(const nlohmann::ordered_json& value);

nlohmann::ordered_json go_map(const std::map<std::string, std::string>& map);

// One alert as Alertmanager's templates and webhook show it; endsAt of a firing one is year 1.
nlohmann::ordered_json alert_object(const Alert& alert);

// The name with the characters escaped that mean something in a regular expression, as Alertmanager gives it to
// templates and webhooks: web.hook -> web\.hook.
std::string escaped_receiver(const std::string& name);

}  // namespace actions::receivers
