// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "core/aws/aws_client.h"
#include "core/result.h"
#include "core/time/scheduler.h"

namespace core::aws {

// Calls of AWS services that are waited for: for one who may block. Each has the same identity; a service's own
// endpoint comes from the options' `endpoints`.
//
// Thread safety: one thread at a time, which is not the scheduler's. What is under way when it goes is dropped.
class AwsCaller {
 public:
  // `scheduler` runs the HTTP client's callbacks.
  AwsCaller(Scheduler& scheduler, const AwsContext& context, AwsOptions options);
  ~AwsCaller();
  AwsCaller(const AwsCaller&) = delete;
  AwsCaller& operator=(const AwsCaller&) = delete;

  // kCancelled after a stop request; else as AwsClient::ask().
  Result<AwsAnswer> call(const std::string& service, AwsParameters parameters, const std::stop_token& stop);

  // What only the scheduler's thread touches; defined in aws_caller.cpp.
  class Clients;

 private:
  Scheduler& scheduler_;
  std::shared_ptr<Clients> clients_;
};

}  // namespace core::aws
