// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/query_cache.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "rules/promql/parser.h"

namespace rules::promql {

QueryCache::Lease::~Lease() {
  if (cache_ != nullptr) cache_->give_back(std::move(text_), std::move(query_));
}

core::Result<QueryCache::Lease> QueryCache::take(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(idle_.begin(), idle_.end(), [text](const Idle& each) { return each.text == text; });
    if (found != idle_.end()) {
      Lease lease(*this, std::move(found->text), std::move(found->query));
      counts_.series -= found->series;
      idle_.erase(found);
      ++counts_.hits;
      return lease;
    }
    ++counts_.misses;
  }
  core::Result<ExprPtr> parsed = parse(text);
  if (!parsed) return core::fail(parsed.error());
  return Lease(*this, std::string(text), PreparedQuery(std::move(*parsed)));
}

void QueryCache::give_back(std::string text, PreparedQuery query) {
  const std::size_t series = query.series_held();
  if (series > bounds_.series_max || text.size() > bounds_.text_bytes_max) return;
  std::list<Idle> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  const auto drop = [&](std::list<Idle>::iterator each) {
    counts_.series -= each->series;
    dropped.splice(dropped.end(), idle_, each);
  };
  // Asked twice at the same time.
  const auto twin = std::find_if(idle_.begin(), idle_.end(), [&text](const Idle& each) { return each.text == text; });
  if (twin != idle_.end()) drop(twin);
  idle_.push_front({std::move(text), std::move(query), series});
  counts_.series += series;
  while (idle_.size() > bounds_.queries_max || counts_.series > bounds_.series_max) drop(std::prev(idle_.end()));
}

QueryCache::Counts QueryCache::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.queries = idle_.size();
  return counts;
}

}  // namespace rules::promql
