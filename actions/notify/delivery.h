// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "actions/notify/config.h"
#include "actions/notify/dispatcher.h"
#include "actions/receivers/receiver.h"

namespace actions::notify {

// A NotifyConfig made ready for use: what the dispatcher decides by, and whom the outbox sends to.
//
// Thread safety: immutable after construction.
struct Delivery {
  std::shared_ptr<const Routing> routing;                                          // null: no route, nobody is told
  std::map<std::string, std::unique_ptr<const receivers::Receiver>> integrations;  // by id

  std::set<std::string> ids() const;
};

// The name of an integration: NAME/TYPE/DIGEST, the digest being of its target (an address or a key, so that no secret
// shows). It stays the same when items are reordered; the second of two equal items has #2 added.
std::string integration_id(const std::string& receiver, const receivers::Receiver& integration);

// `external_url`: where our own page is, for links; without a trailing slash.
core::Result<Delivery> build_delivery(const NotifyConfig& config, std::string external_url);

// Which of the new ids takes over from which old one that is gone: the only candidate of the same receiver and type, or
// the first that nothing else claims. So a corrected URL inherits what waits for the wrong one.
std::map<std::string, std::string> match_ids(const std::set<std::string>& before, const std::set<std::string>& after);

}  // namespace actions::notify
