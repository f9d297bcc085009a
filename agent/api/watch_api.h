// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "agent/api/agent_view.h"
#include "agent/api/http_message.h"

namespace agent {

// /api/watchkeeper/v1: what Prometheus's API has no words for. Answers have its envelope; requests that change
// something are POSTs with form parameters.
ApiResponse answer_watch_status(const AgentView& agent);
ApiResponse answer_remediations(const AgentView& agent);
ApiResponse answer_remotes(const AgentView& agent);
ApiResponse answer_backups(const AgentView& agent);
ApiResponse answer_discoveries(const AgentView& agent);

// The evidence of a run as it was written, without the envelope: a file to keep.
ApiResponse answer_evidence(const AgentView& agent, std::string_view run);

// approve or reject: `who` names the person; default: "api". `plan`: see AgentView::approve.
ApiResponse answer_approve(AgentView& agent, std::string_view run, const ApiRequest& request);
ApiResponse answer_reject(AgentView& agent, std::string_view run, const ApiRequest& request);
// `reason` must be given. Of one remediation; "" of all.
ApiResponse answer_pause(AgentView& agent, std::string_view remediation, const ApiRequest& request);
ApiResponse answer_resume(AgentView& agent, std::string_view remediation, const ApiRequest& request);
ApiResponse answer_run_backup(AgentView& agent, std::string_view name, const ApiRequest& request);
ApiResponse answer_verify_backup(AgentView& agent, std::string_view name, actions::backup::VerificationKind kind,
                                 const ApiRequest& request);

}  // namespace agent
