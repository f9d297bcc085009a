// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/resolver.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>

#include "collector/probe/ascii_case.h"
#include "collector/probe/dns_exchange.h"
#include "collector/probe/random.h"
#include "collector/probe/stream.h"

namespace collector::probe {
namespace {

// Bytes of a configuration file that are read.
constexpr std::size_t kHostsBytesMax = 4 << 20;
constexpr std::size_t kAnswerBytesMax = 65535;
// Datagrams on one socket that are no answer to what was asked.
constexpr int kForeignMax = 100;
// CNAMEs are followed by the server; what it returns is taken as it stands.

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kHostsBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

bool wanted(const Address& address, Families families) {
  return families == Families::kBoth || address.is_v6() == (families == Families::kV6);
}

std::vector<std::uint16_t> types_of(Families families) {
  switch (families) {
    case Families::kV4:
      return {dns::kTypeA};
    case Families::kV6:
      return {dns::kTypeAaaa};
    case Families::kBoth:
      break;
  }
  return {dns::kTypeA, dns::kTypeAaaa};
}

void take_addresses(const dns::Message& message, std::vector<Address>& out) {
  for (const dns::Record& record : message.answer) {
    if (record.type != dns::kTypeA && record.type != dns::kTypeAaaa) continue;
    if (const auto address = Address::parse(record.presentation)) out.push_back(*address);
  }
}

}  // namespace

Resolver::Resolver(core::net::IoLoop& loop, const core::Clock& clock, ResolverOptions options)
    : loop_(loop), clock_(clock), options_(std::move(options)) {}

bool Resolver::changed(const std::string& path, FileMark& mark) {
  struct stat found{};
  FileMark now;
  if (::stat(path.c_str(), &found) == 0) now = {found.st_mtim, found.st_size};
  const bool same =
      now.size == mark.size && now.changed.tv_sec == mark.changed.tv_sec && now.changed.tv_nsec == mark.changed.tv_nsec;
  mark = now;
  return !same;
}

void Resolver::refresh() {
  if (changed(options_.configuration, configuration_mark_) || config_.servers.empty()) {
    config_ = parse_resolver_config(read_text(options_.configuration));
  }
  if (changed(options_.hosts, hosts_mark_)) hosts_ = parse_hosts(read_text(options_.hosts));
}

std::vector<std::string> Resolver::candidates(const std::string& name) const {
  if (name.ends_with('.')) return {name};
  std::vector<std::string> names;
  for (const std::string& domain : config_.search) names.push_back(name + "." + domain);
  const bool first = std::ranges::count(name, '.') >= config_.dots;
  names.insert(first ? names.begin() : names.end(), name);
  return names;
}

core::Task<Outcome<std::vector<Address>>> Resolver::lookup(std::string name, Families families,
                                                           core::SteadyTime deadline) {
  std::vector<Address> found;
  if (const auto literal = Address::parse(name)) {
    if (wanted(*literal, families)) found.push_back(*literal);
    co_return found;
  }
  refresh();
  std::string key = ascii_lower(name);
  if (key.ends_with('.')) key.pop_back();
  auto listed = hosts_.find(key);
  // RFC 6761, section 6.3: this name is never asked for.
  static const std::vector<Address> loopback = {*Address::parse("127.0.0.1"), *Address::parse("::1")};
  const std::vector<Address>* own = listed != hosts_.end() ? &listed->second : key == "localhost" ? &loopback : nullptr;
  if (own != nullptr) {
    std::ranges::copy_if(*own, std::back_inserter(found), [&](const Address& each) { return wanted(each, families); });
    co_return found;
  }
  bool exists = false;
  for (const std::string& candidate : candidates(name)) {
    if (!dns::encode_name(candidate)) continue;
    auto answers = co_await ask_all(candidate, families, deadline);
    if (!answers) co_return failed(answers.error());
    if (!answers->addresses.empty()) co_return std::move(answers->addresses);
    if (!answers->problem.empty()) {
      co_return failed(Reason::kResolver, fmt::format("lookup {}: {}", candidate, answers->problem));
    }
    exists = exists || answers->exists;
  }
  if (exists) co_return found;
  co_return failed(Reason::kDnsNotFound, fmt::format("lookup {}: no such host", name));
}

// Server after server until one can say.
core::Task<Outcome<Resolver::Answers>> Resolver::ask_all(std::string name, Families families,
                                                         core::SteadyTime deadline) {
  Answers answers;
  const ResolverConfig config = config_;
  for (int attempt = 0; attempt < config.attempts; ++attempt) {
    for (const Address& server : config.servers) {
      const core::SteadyTime until = std::min(deadline, clock_.steady_now() + config.timeout);
      auto messages = co_await ask(server, name, families, until);
      if (!messages) {
        if (messages.error().reason == Reason::kNoDescriptors) co_return failed(messages.error());
        answers.problem = messages.error().detail;
      } else {
        answers.problem.clear();
        for (const dns::Message& message : *messages) {
          take_addresses(message, answers.addresses);
          if (message.rcode == dns::kRcodeNoError) {
            answers.exists = true;
          } else if (message.rcode != dns::kRcodeNameError) {
            answers.problem = fmt::format("{} says {}", server.to_string(), dns::rcode_name(message.rcode));
          }
        }
        if (answers.problem.empty() || !answers.addresses.empty()) co_return answers;
      }
      if (clock_.steady_now() >= deadline) co_return answers;
    }
  }
  co_return answers;
}

// All families over one socket; only what answers the question, from the server that was asked, counts.
core::Task<Outcome<std::vector<dns::Message>>> Resolver::ask(Address server, std::string name, Families families,
                                                             core::SteadyTime until) {
  Socket socket(loop_);
  const std::string doing = "asking " + server.to_string();
  if (const int number = socket.open(server.family(), SOCK_DGRAM, 0); number != 0) {
    co_return failed(failure_of_errno(number, doing, &server));
  }
  sockaddr_storage peer{};
  const socklen_t size = server.to_sockaddr(options_.port, peer);
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&peer), size) != 0) {
    co_return failed(failure_of_errno(errno, doing, &server));
  }
  std::map<std::uint16_t, dns::Question> open;
  for (const std::uint16_t type : types_of(families)) {
    std::uint16_t id = random_number<std::uint16_t>();
    while (open.contains(id)) ++id;
    const dns::Question question{name, type};
    const std::string query = dns::encode_query(id, question);
    open.emplace(id, question);
    if (::send(socket.fd(), query.data(), query.size(), 0) < 0) {
      co_return failed(failure_of_errno(errno, doing, &server));
    }
  }
  std::vector<dns::Message> messages;
  std::string buffer(kAnswerBytesMax, '\0');
  for (int foreign = 0; !open.empty() && foreign < kForeignMax;) {
    const ssize_t count = ::recv(socket.fd(), buffer.data(), buffer.size(), 0);
    if (count < 0) {
      if (errno != EAGAIN && errno != EINTR) co_return failed(failure_of_errno(errno, doing, &server));
      const bool in_time = co_await socket.readable(until);
      if (!in_time) co_return failed(Reason::kResolver, doing + ": no answer");
      continue;
    }
    auto message = dns::decode(std::string_view(buffer).substr(0, static_cast<std::size_t>(count)));
    const auto asked = message ? open.find(message->id) : open.end();
    if (asked == open.end() || !message->response || message->question_type != asked->second.type ||
        !dns::same_name(message->question, asked->second.name)) {
      ++foreign;
      continue;
    }
    if (message->truncated) {
      auto whole = co_await ask_over_tcp(server, asked->second, until);
      if (!whole) co_return failed(whole.error());
      *message = std::move(*whole);
    }
    open.erase(asked);
    messages.push_back(std::move(*message));
  }
  if (!open.empty()) co_return failed(Reason::kResolver, doing + ": only answers to what was not asked");
  co_return messages;
}

core::Task<Outcome<dns::Message>> Resolver::ask_over_tcp(Address server, dns::Question question,
                                                         core::SteadyTime until) {
  Stream stream(loop_, until);
  if (auto done = co_await stream.connect(server, options_.port, ""); !done) co_return failed(done.error());
  auto message = co_await dns::exchange_over(stream, question);
  co_return message;
}

}  // namespace collector::probe
