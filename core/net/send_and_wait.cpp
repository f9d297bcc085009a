// SPDX-License-Identifier: Apache-2.0
#include "core/net/send_and_wait.h"

#include <memory>
#include <utility>

#include "core/awaited.h"

namespace core::net {

Result<Response> send_and_wait(HttpClient& client, Request request, const std::stop_token& stop) {
  const auto answer = std::make_shared<Awaited<Result<Response>>>();
  const TransferId transfer =
      client.send(std::move(request), [answer](Result<Response> response) { answer->set(std::move(response)); });
  std::optional<Result<Response>> response = answer->wait(stop);
  if (response) return std::move(*response);
  client.cancel(transfer);
  return fail(Errc::kCancelled, "stopped");
}

}  // namespace core::net
