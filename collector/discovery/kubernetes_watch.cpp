// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/kubernetes_watch.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/net/url.h"

namespace collector::discovery::kubernetes {
namespace {

using core::Errc;
using core::Result;
using core::net::Request;
using core::net::Response;

// Objects of one page. client-go asks for five times as many; a page is read on the thread that starts scrapes, and
// with a hundred pods it takes some ten milliseconds.
constexpr int kPageObjects = 100;
// Pages of one list: a server that always names another one is not followed for ever.
constexpr int kPagesMax = 10'000;
// Objects under one path; more is a failure, and what was known stays.
constexpr std::size_t kObjectsMax = 200'000;
constexpr std::uint64_t kPageBytesMax = 64 << 20;
constexpr std::size_t kEventBytesMax = 8 << 20;
constexpr core::Duration kListTimeout = std::chrono::seconds(60);
// A watch lives between once and twice as long, so that the agents of a cluster do not come back all at once.
constexpr int kWatchSeconds = 300;
constexpr core::Duration kGrace = std::chrono::seconds(30);
constexpr core::Duration kBackoffMin = std::chrono::seconds(1);
constexpr core::Duration kBackoffMax = std::chrono::seconds(30);
// A watch that ends sooner and without an event did not work.
constexpr core::Duration kShortWatch = std::chrono::seconds(1);
constexpr int kGone = 410;

}  // namespace

Watch::Watch(const Context& context, core::kubernetes::ApiServer api, Resource resource, Listener listener)
    : context_(context),
      api_(std::move(api)),
      resource_(std::move(resource)),
      listener_(std::move(listener)),
      random_(std::random_device{}()) {
  later(core::Duration::zero(), &Watch::list_anew);
}

Watch::~Watch() {
  context_.scheduler.cancel(timer_);
  if (transfer_ != 0) {
    context_.http.cancel(transfer_);
  }
}

void Watch::later(core::Duration delay, Step next) {
  timer_ = context_.scheduler.schedule_after(context_.clock, delay, [this, next] {
    timer_ = 0;
    (this->*next)();
  });
}

void Watch::retry(const core::Error& error, Step next) {
  core::Duration delay = kBackoffMin;
  for (int i = 0; i < failures_ && delay < kBackoffMax; ++i) delay *= 2;
  delay = std::min(delay, kBackoffMax);
  ++failures_;
  // Between half of it and all of it.
  const double part = 0.5 + 0.5 * std::generate_canonical<double, 16>(random_);
  later(std::chrono::duration_cast<core::Duration>(
            std::chrono::duration<double, std::nano>(static_cast<double>(delay.count()) * part)),
        next);
  listener_.failed(error);
}

core::Error Watch::error_of(const Response& response) const {
  const std::string message = status_message(response.body);
  return core::error(Errc::kUnavailable, "{}{}: server returned HTTP status {}{}{}{}{}", api_.url, resource_.path,
                     response.status, response.reason.empty() ? "" : " ", response.reason, message.empty() ? "" : ": ",
                     message);
}

Result<Request> Watch::request(std::vector<std::pair<std::string, std::string>> parameters) const {
  if (!resource_.label.empty()) parameters.emplace_back("labelSelector", resource_.label);
  if (!resource_.field.empty()) parameters.emplace_back("fieldSelector", resource_.field);
  Request request;
  request.url = api_.url + resource_.path + "?" + core::net::build_query(std::move(parameters));
  request.headers.emplace_back("Accept", "application/json");
  if (auto applied = api_.http.apply(request); !applied) return core::fail(applied.error());
  return request;
}

void Watch::list(const std::string& continue_token) {
  if (continue_token.empty()) {
    pages_.clear();
    page_ = 0;
  }
  std::vector<std::pair<std::string, std::string>> parameters{{"limit", std::to_string(kPageObjects)}};
  if (!continue_token.empty()) parameters.emplace_back("continue", continue_token);
  auto wanted = request(std::move(parameters));
  if (!wanted) return retry(wanted.error(), &Watch::list_anew);
  wanted->timeout = kListTimeout;
  wanted->body_limit = kPageBytesMax;
  transfer_ = context_.http.send(std::move(*wanted), [this, continued = !continue_token.empty()](Result<Response> r) {
    transfer_ = 0;
    take_page(std::move(r), continued);
  });
}

void Watch::take_page(Result<Response> response, bool continued) {
  if (!response) return retry(response.error(), &Watch::list_anew);
  // The pages that are left belong to a state that the server has forgotten.
  if (response->status == kGone && continued) return retry(error_of(*response), &Watch::list_anew);
  if (response->status != 200) return retry(error_of(*response), &Watch::list_anew);
  auto page = parse_list(response->body, resource_.kind);
  if (!page) return retry(page.error().with_context("{}{}", api_.url, resource_.path), &Watch::list_anew);
  std::move(page->objects.begin(), page->objects.end(), std::back_inserter(pages_));
  if (pages_.size() > kObjectsMax || ++page_ > kPagesMax) {
    pages_.clear();
    return retry(core::error(Errc::kLimitExceeded, "{}{}: more than {} objects, or {} pages", api_.url, resource_.path,
                             kObjectsMax, kPagesMax),
                 &Watch::list_anew);
  }
  if (!page->continue_token.empty()) return list(page->continue_token);
  resource_version_ = page->resource_version;
  failures_ = 0;
  listener_.listed(std::exchange(pages_, {}));
  watch();
}

void Watch::watch() {
  line_.clear();
  seen_event_ = false;
  gone_ = false;
  broken_ = {};
  const int seconds = kWatchSeconds + static_cast<int>(random_() % kWatchSeconds);
  auto wanted = request({{"watch", "true"},
                         {"allowWatchBookmarks", "true"},
                         {"resourceVersion", resource_version_},
                         {"timeoutSeconds", std::to_string(seconds)}});
  if (!wanted) return retry(wanted.error(), &Watch::watch);
  wanted->timeout = std::chrono::seconds(seconds) + kGrace;
  wanted->on_body = [this](std::string_view piece) { return take_piece(piece); };
  watch_started_ = context_.clock.steady_now();
  transfer_ = context_.http.send(std::move(*wanted), [this](Result<Response> ended) {
    transfer_ = 0;
    watch_ended(std::move(ended));
  });
}

bool Watch::take_piece(std::string_view piece) {
  bool goes_on = true;
  bool understood = false;
  while (goes_on && !piece.empty()) {
    const std::size_t end = piece.find('\n');
    if (line_.size() + std::min(end, piece.size()) > kEventBytesMax) {
      broken_ = core::error(Errc::kLimitExceeded, "an event of more than {} bytes", kEventBytesMax);
      goes_on = false;
      break;
    }
    line_ += piece.substr(0, end);
    if (end == std::string_view::npos) break;
    piece.remove_prefix(end + 1);
    goes_on = take_line(std::exchange(line_, {}));
    understood = goes_on || understood;
  }
  if (understood) listener_.happened(std::exchange(events_, {}));
  return goes_on;
}

bool Watch::take_line(std::string_view line) {
  if (line.empty()) return true;
  auto event = parse_event(line, resource_.kind);
  if (!event) {
    broken_ = event.error();
    return false;
  }
  if (event->type == EventType::kError) {
    gone_ = event->status_code == kGone;
    broken_ =
        core::error(Errc::kUnavailable, "the watch ended with status {}: {}", event->status_code, event->status_text);
    return false;
  }
  seen_event_ = true;
  failures_ = 0;
  resource_version_ = event->object.meta.resource_version;
  if (event->type != EventType::kBookmark) events_.push_back(std::move(*event));
  return true;
}

void Watch::watch_ended(Result<Response> response) {
  // Too old a version is no failure: the server was asked for what it does not keep.
  if (gone_ || (response && response->status == kGone)) return later(kBackoffMin / 2, &Watch::list_anew);
  if (!broken_.message.empty()) {
    return retry(broken_.with_context("{}{}", api_.url, resource_.path), &Watch::list_anew);
  }
  if (response && response->status != 200) return retry(error_of(*response), &Watch::list_anew);
  const bool brief = context_.clock.steady_now() - watch_started_ < kShortWatch;
  if (!response || (brief && !seen_event_)) {
    const core::Error error =
        response ? core::error(Errc::kUnavailable, "{}{}: the watch ended at once", api_.url, resource_.path)
                 : response.error();
    return retry(error, &Watch::watch);
  }
  watch();
}

}  // namespace collector::discovery::kubernetes
