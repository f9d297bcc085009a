// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "test/simulators/catalog.h"
#include "test/simulators/chain.h"

namespace simulators {

using Labels = std::vector<std::pair<std::string, std::string>>;
using Samples = std::vector<std::pair<Labels, double>>;

// The shortest digits that mean the same number; integers without a point.
std::string number_text(double value);

// Text of the Rust prometheus crate, as Lighthouse's two programs print it.
class RustText {
 public:
  explicit RustText(const Chain& chain) : chain_(chain) {}
  void family(std::string_view name, std::string_view type, const Samples& samples);
  void value(std::string_view name, std::string_view type, double value) { family(name, type, {{{}, value}}); }
  // Everything of a catalog, with values that move.
  void catalog(std::string_view table);
  // A catalog in OpenMetrics, as Lighthouse appends it to the same body: _total only on samples, # UNIT, _sum and
  // _count before the buckets, le="1.0", # EOF.
  void open_metrics(std::string_view table);
  std::string take() { return std::move(text_); }

 private:
  void histogram(const std::string& name, const Labels& labels, double observations, double mean, bool open_metrics);
  void sample(std::string_view name, const Labels& labels, double value);

  const Chain& chain_;
  std::string text_;
};

// Text of Geth's own encoder: no HELP, counters called gauge, a space before the braces, a blank line after a family.
class GethText {
 public:
  explicit GethText(const Chain& chain) : chain_(chain) {}
  void gauge(std::string_view name, double value);
  void info(std::string_view name, const Labels& labels);
  void catalog(std::string_view table);
  // In the order of the names, as Geth sorts them.
  std::string take();

 private:
  void summary(const std::string& name, double count, double middle);

  const Chain& chain_;
  std::vector<std::pair<std::string, std::string>> families_;
};

// Text of Vault's metrics sink: HELP repeats the name, quantiles without samples are NaN.
class VaultText {
 public:
  explicit VaultText(const Chain& chain) : chain_(chain) {}
  void family(const std::string& name, std::string_view type, const Samples& samples);
  void catalog(std::string_view table);
  std::string take();

 private:
  const Chain& chain_;
  std::vector<std::pair<std::string, std::string>> families_;
};

}  // namespace simulators
