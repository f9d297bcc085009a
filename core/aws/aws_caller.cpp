// SPDX-License-Identifier: Apache-2.0
#include "core/aws/aws_caller.h"

#include <map>
#include <utility>

#include "core/awaited.h"

namespace core::aws {

class AwsCaller::Clients {
 public:
  Clients(const AwsContext& context, AwsOptions options) : context_(context), options_(std::move(options)) {}

  AwsClient& of(const std::string& service) {
    std::unique_ptr<AwsClient>& client = clients_[service];
    if (client == nullptr) {
      AwsOptions options = options_;
      const auto endpoint = options_.endpoints.find(service);
      if (endpoint != options_.endpoints.end()) options.endpoint = endpoint->second;
      client = std::make_unique<AwsClient>(context_, std::move(options), service);
    }
    return *client;
  }

 private:
  const AwsContext context_;
  const AwsOptions options_;
  std::map<std::string, std::unique_ptr<AwsClient>> clients_;
};

AwsCaller::AwsCaller(Scheduler& scheduler, const AwsContext& context, AwsOptions options)
    : scheduler_(scheduler), clients_(std::make_shared<Clients>(context, std::move(options))) {}

// The clients go where they live, with what is under way.
AwsCaller::~AwsCaller() {
  scheduler_.post([clients = std::move(clients_)] {});
}

Result<AwsAnswer> AwsCaller::call(const std::string& service, AwsParameters parameters, const std::stop_token& stop) {
  const auto answer = std::make_shared<Awaited<Result<AwsAnswer>>>();
  scheduler_.post([clients = clients_, service, parameters = std::move(parameters), answer] {
    clients->of(service).ask(parameters, [answer](Result<AwsAnswer> each) { answer->set(std::move(each)); });
  });
  std::optional<Result<AwsAnswer>> result = answer->wait(stop);
  if (result) return std::move(*result);
  return fail(Errc::kCancelled, "stopped");
}

}  // namespace core::aws
