// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/kubernetes_discovery.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "collector/discovery/kubernetes_groups.h"
#include "collector/discovery/kubernetes_watch.h"
#include "core/net/url.h"

namespace collector::discovery {
namespace {

using core::Errc;
using core::Result;
using core::kubernetes::ApiServer;
using kubernetes::Event;
using kubernetes::EventType;
using kubernetes::Object;
using kubernetes::Reference;

// How long after a cluster could not be found it is looked for again: a token may be mounted late.
constexpr core::Duration kLookAgainAfter = std::chrono::seconds(30);
constexpr std::size_t kNamespaceBytesMax = 256;
// So many times as long as an update took that was refused, none is tried.
constexpr int kRefusedPause = 20;

// $NAME and ${NAME} from the environment. An unset variable is an error: a selector without its value selects
// everything.
Result<std::string> expanded(const std::string& text, const Context& context) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$') {
      result += text[i];
      continue;
    }
    const bool braced = i + 1 < text.size() && text[i + 1] == '{';
    const std::size_t start = i + (braced ? 2 : 1);
    std::size_t end = start;
    while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) ++end;
    if (end == start || (braced && (end == text.size() || text[end] != '}'))) {
      return core::fail(Errc::kInvalid, "selector \"{}\": expected a variable's name after $", text);
    }
    const std::string name = text.substr(start, end - start);
    const std::string value = context.environment(name.c_str());
    if (value.empty())
      return core::fail(Errc::kInvalid, "selector \"{}\": {} is not set in the environment", text, name);
    result += value;
    i = braced ? end : end - 1;
  }
  return result;
}

Result<ApiServer> find_api(const KubernetesConfig& config, const Context& context, const std::string& service_account) {
  if (!config.api_server.empty()) {
    std::string url = config.api_server;
    while (url.ends_with('/')) url.pop_back();
    return ApiServer{std::move(url), config.http};
  }
  return core::kubernetes::in_cluster(context.environment, service_account);
}

Result<std::set<std::string>> find_namespaces(const KubernetesConfig& config, const std::string& service_account) {
  std::set<std::string> names(config.namespaces.names.begin(), config.namespaces.names.end());
  if (!config.namespaces.own_namespace) return names;
  const std::string path = service_account + "/namespace";
  std::string own(kNamespaceBytesMax, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(own.data(), static_cast<std::streamsize>(own.size()));
  own.resize(static_cast<std::size_t>(file.gcount()));
  while (!own.empty() && std::isspace(static_cast<unsigned char>(own.back())) != 0) own.pop_back();
  if (own.empty()) {
    return core::fail(Errc::kFailed, "could not determine the pod's namespace: {} cannot be read", path);
  }
  names.insert(std::move(own));
  return names;
}

std::string path_of(KubernetesRole kind, const std::string& name_space) {
  const std::string within = name_space.empty() ? "" : "namespaces/" + core::net::escape_path(name_space) + "/";
  switch (kind) {
    case KubernetesRole::kNode:
      return "/api/v1/nodes";
    case KubernetesRole::kPod:
      return "/api/v1/" + within + "pods";
    case KubernetesRole::kService:
      return "/api/v1/" + within + "services";
    case KubernetesRole::kEndpointSlice:
      break;
  }
  return "/apis/discovery.k8s.io/v1/" + within + "endpointslices";
}

// Watches one kind of objects and what their labels are taken from, and makes groups of them.
class KubernetesDiscovery final : public Discovery {
 public:
  KubernetesDiscovery(const KubernetesConfig& config, const Context& context, Sink& sink, std::string service_account)
      : config_(config), context_(context), sink_(sink), service_account_(std::move(service_account)) {
    around_.attach_node = config_.attach_metadata.node;
    around_.find = [this](KubernetesRole kind, const std::string& key) -> const Object* {
      const auto& known = objects_[kind];
      const auto found = known.find(key);
      return found == known.end() ? nullptr : &found->second;
    };
    timer_ = context_.scheduler.schedule_after(context_.clock, core::Duration::zero(), [this] { begin(); });
  }
  ~KubernetesDiscovery() override { context_.scheduler.cancel(timer_); }

 private:
  void begin() {
    if (const auto begun = start_watches(); !begun) {
      watches_.clear();
      lists_missing_ = 0;
      sink_.failed(begun.error());
      timer_ = context_.scheduler.schedule_after(context_.clock, kLookAgainAfter, [this] { begin(); });
    }
  }

  std::vector<KubernetesRole> kinds() const {
    std::vector<KubernetesRole> kinds{config_.role};
    if (config_.role == KubernetesRole::kEndpointSlice) {
      kinds.push_back(KubernetesRole::kService);
      kinds.push_back(KubernetesRole::kPod);
    }
    if (around_.attach_node && config_.role != KubernetesRole::kNode && config_.role != KubernetesRole::kService) {
      kinds.push_back(KubernetesRole::kNode);
    }
    return kinds;
  }

  Result<void> start_watches() {
    const auto api = find_api(config_, context_, service_account_);
    if (!api) return core::fail(api.error());
    const auto namespaces = find_namespaces(config_, service_account_);
    if (!namespaces) return core::fail(namespaces.error());
    for (const KubernetesRole kind : kinds()) {
      kubernetes::Resource resource{.kind = kind, .path = {}, .label = {}, .field = {}};
      for (const KubernetesSelector& selector : config_.selectors) {
        if (selector.role != kind) continue;
        auto label = expanded(selector.label, context_);
        auto field = expanded(selector.field, context_);
        if (!label || !field) return core::fail(label ? field.error() : label.error());
        resource.label = std::move(*label);
        resource.field = std::move(*field);
      }
      if (namespaces->empty() || kind == KubernetesRole::kNode) {
        watch(*api, resource, "");
      } else {
        for (const std::string& name : *namespaces) watch(*api, resource, name);
      }
    }
    return {};
  }

  void watch(const ApiServer& api, kubernetes::Resource resource, const std::string& name_space) {
    const KubernetesRole kind = resource.kind;
    resource.path = path_of(kind, name_space);
    ++lists_missing_;
    kubernetes::Watch::Listener listener;
    listener.listed = [this, kind, name_space, first = true](std::vector<Object> objects) mutable {
      if (std::exchange(first, false)) --lists_missing_;
      take_list(kind, name_space, std::move(objects));
    };
    listener.happened = [this, kind](std::vector<Event> events) {
      for (Event& event : events) {
        if (event.type == EventType::kDeleted) {
          forget(kind, event.object.key());
        } else {
          remember(kind, std::move(event.object));
        }
      }
      tell();
    };
    listener.failed = [this](const core::Error& error) { sink_.failed(error); };
    watches_.push_back(std::make_unique<kubernetes::Watch>(context_, api, std::move(resource), std::move(listener)));
  }

  void take_list(KubernetesRole kind, const std::string& name_space, std::vector<Object> objects) {
    std::set<std::string> present;
    for (const Object& object : objects) present.insert(object.key());
    std::vector<std::string> gone;
    for (const auto& [key, object] : objects_[kind]) {
      if ((name_space.empty() || object.meta.name_space == name_space) && !present.contains(key)) gone.push_back(key);
    }
    for (const std::string& key : gone) forget(kind, key);
    for (Object& object : objects) remember(kind, std::move(object));
    tell();
  }

  void remember(KubernetesRole kind, Object object) {
    const std::string key = object.key();
    if (kind == config_.role) {
      unlink(key);
      for (Reference& reference : kubernetes::references(object, around_.attach_node)) {
        dependants_[reference].insert(key);
        links_[key].push_back(std::move(reference));
      }
    }
    objects_[kind].insert_or_assign(key, std::move(object));
    note(kind, key);
  }

  void forget(KubernetesRole kind, const std::string& key) {
    if (objects_[kind].erase(key) == 0) return;
    if (kind == config_.role) unlink(key);
    note(kind, key);
  }

  void unlink(const std::string& key) {
    const auto links = links_.find(key);
    if (links == links_.end()) return;
    for (const Reference& reference : links->second) {
      const auto found = dependants_.find(reference);
      found->second.erase(key);
      if (found->second.empty()) dependants_.erase(found);
    }
    links_.erase(links);
  }

  // Whose groups are to be made anew.
  void note(KubernetesRole kind, const std::string& key) {
    if (kind == config_.role) dirty_.insert(key);
    if (const auto found = dependants_.find({kind, key}); found != dependants_.end()) {
      dirty_.insert(found->second.begin(), found->second.end());
    }
  }

  void tell() {
    const core::SteadyTime begun = context_.clock.steady_now();
    if (lists_missing_ > 0 || begun < tell_after_) return;
    std::vector<TargetGroup> groups;
    for (const std::string& key : dirty_) {
      const Object* object = around_.find(config_.role, key);
      if (object != nullptr) {
        groups.push_back(build_group(*object, config_.role, around_));
      } else {
        groups.push_back({.source = kubernetes::group_source(config_.role, key), .targets = {}, .labels = {}});
      }
    }
    if (sink_.update(std::move(groups))) {
      dirty_.clear();
    } else {
      // It is told again with a later event, and yet not with each: it is a lot.
      const core::SteadyTime now = context_.clock.steady_now();
      tell_after_ = now + kRefusedPause * (now - begun);
    }
  }

  const KubernetesConfig config_;
  const Context& context_;
  Sink& sink_;
  const std::string service_account_;
  kubernetes::Surroundings around_;
  core::TimerId timer_ = 0;

  std::map<KubernetesRole, std::map<std::string, Object>> objects_;
  std::map<Reference, std::set<std::string>> dependants_;  // whose groups hang on an object
  std::map<std::string, std::vector<Reference>> links_;    // the same the other way round
  std::set<std::string> dirty_;
  core::SteadyTime tell_after_{};  // an update was refused
  int lists_missing_ = 0;
  std::vector<std::unique_ptr<kubernetes::Watch>> watches_;  // last: they call back until they go
};

}  // namespace

std::unique_ptr<Discovery> make_kubernetes_discovery(const KubernetesConfig& config, const Context& context, Sink& sink,
                                                     const std::string& service_account) {
  return std::make_unique<KubernetesDiscovery>(config, context, sink, service_account);
}

}  // namespace collector::discovery
