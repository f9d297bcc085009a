// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"
#include "rules/promql/prepared_query.h"

namespace rules::promql {

// Queries that were asked before, prepared: dashboards and people ask the same ones again and again. What was asked
// longest ago goes first when there are too many, or when they hold too many series.
//
// Thread safety: any thread.
class QueryCache {
 public:
  struct Bounds {
    std::size_t queries_max = 64;
    std::size_t series_max = 50'000;  // that all of them hold; a query that holds more alone is not kept
    std::size_t text_bytes_max = 4096;
  };

  QueryCache() = default;
  explicit QueryCache(Bounds bounds) : bounds_(bounds) {}

  // A query while it is evaluated: nobody else has it.
  //
  // Thread safety: one thread at a time.
  class Lease {
   public:
    Lease(QueryCache& cache, std::string text, PreparedQuery query)
        : cache_(&cache), text_(std::move(text)), query_(std::move(query)) {}
    Lease(Lease&& other) noexcept
        : cache_(std::exchange(other.cache_, nullptr)),
          text_(std::move(other.text_)),
          query_(std::move(other.query_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    PreparedQuery& query() { return query_; }

   private:
    QueryCache* cache_;
    std::string text_;
    PreparedQuery query_;
  };

  // The query of this text, which is parsed and prepared unless it is there. kInvalid as parse().
  core::Result<Lease> take(std::string_view text);

  struct Counts {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::size_t queries = 0;
    std::size_t series = 0;
  };
  Counts counts() const;

 private:
  struct Idle {
    std::string text;
    PreparedQuery query;
    std::size_t series;
  };

  void give_back(std::string text, PreparedQuery query);

  const Bounds bounds_{};
  mutable std::mutex mutex_;
  std::list<Idle> idle_;  // guarded by mutex_; asked last, first
  Counts counts_;         // guarded by mutex_
};

}  // namespace rules::promql
