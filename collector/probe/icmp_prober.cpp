// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "collector/probe/address_choice.h"
#include "collector/probe/datagram.h"
#include "collector/probe/icmp_message.h"
#include "collector/probe/random.h"

namespace collector::probe {
namespace {

constexpr std::string_view kPhases = "probe_icmp_duration_seconds";
constexpr std::string_view kDefaultPayload = "Watchkeeper probes with this";  // 28 bytes, as in blackbox_exporter
static_assert(kDefaultPayload.size() == 28);
constexpr std::size_t kPacketBytesMax = 65535;

// A packet and where it came from.
struct Packet {
  std::string bytes;
  int hop_limit = -1;
  sockaddr_storage from{};
};

// An ICMP socket: the unprivileged kind if this process may have one, else a raw one.
//
// Thread safety: confined to the loop's thread.
class EchoSocket {
 public:
  explicit EchoSocket(core::net::IoLoop& loop) : socket_(loop) {}

  Outcome<void> open(const Address& address, const IcmpModule& module) {
    const int protocol = address.is_v6() ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
    int number = socket_.open(address.family(), SOCK_DGRAM, protocol);
    if (number == EACCES || number == EPERM || number == EPROTONOSUPPORT) {
      raw_ = true;
      number = socket_.open(address.family(), SOCK_RAW, protocol);
    }
    if (number != 0) return failed(failure_of_errno(number, "ICMP socket", &address));
    if (auto bound = bind_source(socket_.fd(), module.source_ip_address, address.family()); !bound) return bound;
    configure(address.is_v6(), module);
    sockaddr_storage peer{};
    const socklen_t size = address.to_sockaddr(0, peer);
    if (::connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&peer), size) == 0) return {};
    return failed(failure_of_errno(errno, "ICMP socket", &address));
  }

  bool raw() const { return raw_; }
  Socket& socket() { return socket_; }

  int send(const std::string& message) const {
    return ::send(socket_.fd(), message.data(), message.size(), 0) < 0 ? errno : 0;
  }

  // 0, or an errno.
  int receive(Packet& packet) const {
    packet.bytes.resize(kPacketBytesMax);
    std::array<char, 256> control{};
    iovec part{packet.bytes.data(), packet.bytes.size()};
    msghdr message{};
    message.msg_name = &packet.from;
    message.msg_namelen = sizeof packet.from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t count = ::recvmsg(socket_.fd(), &message, 0);
    if (count < 0) return errno;
    packet.bytes.resize(static_cast<std::size_t>(count));
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
      const bool v4 = each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TTL;
      const bool v6 = each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_HOPLIMIT;
      if (v4 || v6) std::memcpy(&packet.hop_limit, CMSG_DATA(each), sizeof packet.hop_limit);
    }
    return 0;
  }

 private:
  void set(int level, int option, int value) const { ::setsockopt(socket_.fd(), level, option, &value, sizeof value); }

  void configure(bool v6, const IcmpModule& module) const {
    if (v6) {
      set(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
      set(IPPROTO_IPV6, IPV6_RECVERR, 1);
      if (module.ttl != 0) set(IPPROTO_IPV6, IPV6_UNICAST_HOPS, module.ttl);
      return;
    }
    set(IPPROTO_IP, IP_RECVTTL, 1);
    set(IPPROTO_IP, IP_RECVERR, 1);
    if (module.ttl != 0) set(IPPROTO_IP, IP_TTL, module.ttl);
    set(IPPROTO_IP, IP_MTU_DISCOVER, module.dont_fragment ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
  }

  Socket socket_;
  bool raw_ = false;
};

// Every probe of the process takes the next one, from a start that nobody can guess.
std::uint16_t next_sequence() {
  static std::uint16_t sequence = random_number<std::uint16_t>();
  return ++sequence;
}

icmp::Echo make_echo(const IcmpModule& module) {
  icmp::Echo echo{random_number<std::uint16_t>(), next_sequence(), std::string(kDefaultPayload)};
  if (module.payload_size != 0) echo.payload.resize(module.payload_size, '\0');
  return echo;
}

bool answers(const Packet& packet, const icmp::Echo& sent, const Address& address, bool raw) {
  std::optional<std::string_view> message = packet.bytes;
  if (!address.same_as(packet.from)) return false;
  if (raw && !address.is_v6()) message = icmp::without_ip_header(packet.bytes);
  const auto reply = message ? icmp::decode_reply(*message, address.is_v6()) : std::nullopt;
  // The kernel has put an id of its own into what left through an unprivileged socket.
  return reply && reply->sequence == sent.sequence && reply->payload == sent.payload && (!raw || reply->id == sent.id);
}

core::Task<Outcome<Packet>> exchange(Attempt& attempt, EchoSocket& socket, Address address, icmp::Echo echo) {
  if (const int number = socket.send(icmp::encode_request(echo, address.is_v6())); number != 0) {
    co_return failed(failure_of_errno(number, "send", &address));
  }
  Packet packet;
  for (int foreign = 0; foreign < kForeignDatagramsMax;) {
    const int number = socket.receive(packet);
    if (number == EAGAIN || number == EINTR) {
      const bool in_time = co_await socket.socket().readable(attempt.deadline);
      if (!in_time) co_return failed(Reason::kTimeout, "no reply until the deadline");
    } else if (number != 0) {
      co_return failed(failure_of_errno(number, "receive", &address));
    } else if (answers(packet, echo, address, socket.raw())) {
      co_return std::move(packet);
    } else {
      ++foreign;
    }
  }
  co_return failed(Reason::kOverloaded, "too many other ICMP messages");
}

}  // namespace

core::Task<bool> probe_icmp(Attempt& attempt) {
  const IcmpModule& module = attempt.module.icmp;
  Report& report = attempt.report;
  for (const char* const phase : {"resolve", "setup", "rtt"}) report.add_phase(kPhases, phase, {});
  core::Duration took{};
  auto address = co_await choose_address(attempt, attempt.target, module.ip, took);
  report.add_phase(kPhases, "resolve", took);
  if (!address) {
    report.fail(address.error());
    co_return true;
  }
  const core::SteadyTime begun = attempt.now();
  EchoSocket socket(attempt.services.loop);
  auto opened = socket.open(*address, module);
  report.add_phase(kPhases, "setup", attempt.since(begun));
  if (!opened) {
    attempt.trace("{}", opened.error().detail);
    report.fail(opened.error());
    co_return true;
  }
  attempt.trace("echo request to {} over {}", address->to_string(), socket.raw() ? "a raw socket" : "an ICMP socket");
  const core::SteadyTime sent = attempt.now();
  auto reply = co_await exchange(attempt, socket, *address, make_echo(module));
  if (!reply) {
    attempt.trace("{}", reply.error().detail);
    report.fail(reply.error());
    co_return true;
  }
  report.add_phase(kPhases, "rtt", attempt.since(sent));
  attempt.trace("echo reply, hop limit {}", reply->hop_limit);
  if (reply->hop_limit >= 0) report.set("probe_icmp_reply_hop_limit", reply->hop_limit);
  co_return true;
}

}  // namespace collector::probe
