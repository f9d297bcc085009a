// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/dns_exchange.h"

#include <fmt/format.h>

#include "collector/probe/random.h"
#include "collector/probe/stream.h"

namespace collector::probe::dns {
namespace {

core::Task<Outcome<std::string>> read_exactly(Stream& stream, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t have = 0; have < size;) {
    auto count = co_await stream.read(bytes.data() + have, size - have);
    if (!count) co_return failed(count.error());
    if (*count == 0) co_return failed(Reason::kClosed, "the connection was closed in the middle of an answer");
    have += *count;
  }
  co_return bytes;
}

}  // namespace

core::Task<Outcome<Message>> exchange_over(Stream& stream, Question question) {
  const auto id = random_number<std::uint16_t>();
  const std::string query = encode_query(id, question);
  std::string framed;
  framed += static_cast<char>(query.size() >> 8);
  framed += static_cast<char>(query.size() & 0xff);
  auto written = co_await stream.write(framed + query);
  if (!written) co_return failed(written.error());
  auto length = co_await read_exactly(stream, 2);
  if (!length) co_return failed(length.error());
  const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>((*length)[0])) << 8 |
                           static_cast<unsigned char>((*length)[1]);
  auto bytes = co_await read_exactly(stream, size);
  if (!bytes) co_return failed(bytes.error());
  auto message = decode(*bytes);
  if (!message) co_return failed(Reason::kProtocol, "DNS: " + message.error());
  if (message->id != id || !message->response)
    co_return failed(Reason::kProtocol, "DNS: an answer to another question");
  co_return std::move(*message);
}

}  // namespace collector::probe::dns
