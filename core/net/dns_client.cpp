// SPDX-License-Identifier: Apache-2.0
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// Asio's fences, which ThreadSanitizer cannot see; Asio's own mutex orders the same accesses.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "core/net/dns_client.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <random>
#include <unordered_set>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "core/net/dns_message.h"
#include "core/net/io_loop.h"
#include "core/net/resolver_config.h"

namespace core::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;

using Done = std::function<void(Result<std::vector<DnsRecord>>)>;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// One look-up: asks server after server for name after name, one question at a time.
//
// Thread safety: confined to the loop's thread.
class LookUp : public std::enable_shared_from_this<LookUp> {
 public:
  LookUp(asio::io_context& context, const DnsClientOptions& options, std::string name, DnsType type, Done done)
      : options_(options),
        name_(std::move(name)),
        type_(type),
        done_(std::move(done)),
        config_(read_resolver_config(options.resolver_file)),
        names_(names_to_ask(name_, config_)),
        udp_(context),
        tcp_(context),
        timer_(context) {}

  void start() { ask(); }

  void close() {
    done_ = nullptr;
    end_question();
  }

 private:
  // Goes on with the question at server_ and asked_.
  void ask() {
    if (!done_) return;
    if (asked_ == names_.size()) {
      if (!failed_) return finish({});
      return finish(fail(Errc::kUnavailable,
                         "could not resolve \"{}\": all servers responded with errors to at least one search domain",
                         name_));
    }
    if (server_ == config_.servers.size()) {
      failed_ = true;
      next_name();
      return;
    }
    error_code bad;
    const auto address = asio::ip::make_address(config_.servers[server_], bad);
    id_ = static_cast<std::uint16_t>(random_());
    auto query = encode_dns_query(id_, names_[asked_], type_);
    if (!query) return finish(fail(query.error()));
    if (bad) return next_server();
    query_ = std::move(*query);
    ask_by_udp({address, options_.port});
  }

  void next_server() {
    end_question();
    ++server_;
    ask();
  }
  void next_name() {
    end_question();
    server_ = 0;
    ++asked_;
    ask();
  }

  void end_question() {
    ++question_;
    error_code ignored;
    udp_.close(ignored);
    tcp_.close(ignored);
    timer_.cancel();
  }

  void finish(Result<std::vector<DnsRecord>> result) {
    end_question();
    if (done_) std::exchange(done_, nullptr)(std::move(result));
  }

  // Wraps what is to happen next for this question only: what comes late, of one that is over, is nothing.
  template <class Then>
  auto then(Then next) {
    return [self = shared_from_this(), question = question_, next](error_code error, auto... more) {
      if (self->question_ == question && self->done_) next(*self, error, more...);
    };
  }

  void set_timer() {
    timer_.expires_after(options_.timeout);
    timer_.async_wait(then([](LookUp& self, error_code error) {
      if (!error) self.next_server();
    }));
  }

  void ask_by_udp(const udp::endpoint& server) {
    set_timer();
    error_code error;
    udp_.open(server.protocol(), error);
    // Connected, so that only this server's answers come in; the kernel takes a port that is hard to guess.
    if (!error) udp_.connect(server, error);
    if (!error) udp_.send(asio::buffer(query_), 0, error);
    if (error) {
      asio::post(udp_.get_executor(), [self = shared_from_this(), question = question_] {
        if (self->question_ == question) self->next_server();
      });
      return;
    }
    receive_by_udp();
  }

  void receive_by_udp() {
    udp_.async_receive(asio::buffer(answer_), then([](LookUp& self, error_code error, std::size_t size) {
                         if (error) return self.next_server();
                         const auto reply = parse_dns_reply({self.answer_.data(), size});
                         if (!self.is_ours(reply)) return self.receive_by_udp();
                         if (reply->truncated) return self.ask_by_tcp();
                         self.take(*reply);
                       }));
  }

  void ask_by_tcp() {
    set_timer();
    const auto server = udp_.remote_endpoint();
    framed_ = std::string{static_cast<char>(query_.size() >> 8), static_cast<char>(query_.size() & 0xff)} + query_;
    tcp_.async_connect({server.address(), server.port()}, then([](LookUp& self, error_code error) {
                         if (error) return self.next_server();
                         asio::async_write(self.tcp_, asio::buffer(self.framed_),
                                           self.then([](LookUp& again, error_code problem, std::size_t) {
                                             if (problem) return again.next_server();
                                             again.receive_by_tcp();
                                           }));
                       }));
  }

  void receive_by_tcp() {
    asio::async_read(tcp_, asio::buffer(answer_, 2), then([](LookUp& self, error_code error, std::size_t) {
                       if (error) return self.next_server();
                       const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(self.answer_[0]))
                                                    << 8 |
                                                static_cast<unsigned char>(self.answer_[1]);
                       asio::async_read(self.tcp_, asio::buffer(self.answer_, size),
                                        self.then([](LookUp& again, error_code problem, std::size_t read) {
                                          const auto reply = parse_dns_reply({again.answer_.data(), read});
                                          if (problem || !again.is_ours(reply) || reply->truncated) {
                                            return again.next_server();
                                          }
                                          again.take(*reply);
                                        }));
                     }));
  }

  bool is_ours(const Result<DnsReply>& reply) const {
    return reply && reply->id == id_ && reply->type == type_ && reply->name == lower(names_[asked_]);
  }

  void take(const DnsReply& reply) {
    if (reply.code == kDnsNoError) return finish(reply.answers);
    if (reply.code == kDnsNoSuchName) return next_name();
    next_server();
  }

  const DnsClientOptions& options_;
  const std::string name_;
  const DnsType type_;
  Done done_;
  const ResolverConfig config_;
  const std::vector<std::string> names_;
  udp::socket udp_;
  tcp::socket tcp_;
  asio::steady_timer timer_;
  std::random_device random_;

  std::size_t asked_ = 0;   // index into names_
  std::size_t server_ = 0;  // index into the servers
  bool failed_ = false;     // of one of the names nothing could be told
  std::uint64_t question_ = 0;
  std::uint16_t id_ = 0;
  std::string query_;
  std::string framed_;
  std::array<char, 65'536> answer_{};
};

class AsioDnsClient final : public DnsClient {
 public:
  AsioDnsClient(IoLoop& loop, DnsClientOptions options) : loop_(loop), options_(std::move(options)) {}
  ~AsioDnsClient() override {
    for (const auto& look_up : std::exchange(under_way_, {})) look_up->close();
  }

  void look_up(const std::string& name, DnsType type, Done done) override {
    // Found again through what it calls when it is done, so that it goes then.
    const auto own = std::make_shared<std::weak_ptr<LookUp>>();
    auto begun = std::make_shared<LookUp>(loop_.context(), options_, name, type,
                                          [this, own, done = std::move(done)](Result<std::vector<DnsRecord>> result) {
                                            under_way_.erase(own->lock());
                                            done(std::move(result));
                                          });
    *own = begun;
    under_way_.insert(begun);
    loop_.post([begun] { begun->start(); });
  }

 private:
  IoLoop& loop_;
  const DnsClientOptions options_;
  std::unordered_set<std::shared_ptr<LookUp>> under_way_;
};

}  // namespace

std::unique_ptr<DnsClient> make_dns_client(IoLoop& loop, DnsClientOptions options) {
  return std::make_unique<AsioDnsClient>(loop, std::move(options));
}

}  // namespace core::net
