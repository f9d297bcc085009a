// SPDX-License-Identifier: Apache-2.0
#include "actions/protection/validator_words.h"

#include <gtest/gtest.h>

namespace actions::protection {
namespace {

TEST(ValidatorWords, AreFoundWhereverTheyStand) {
  for (const char* const name :
       {"validator.service", "lighthouse-validator", "nimbusvalidator", "VC", "lighthouse-vc.service", "vc1.service",
        "web3signer", "/opt/charon/charon", "ssv-node", "vouch@a.service", "teku_validator_client", "keymanager:5062",
        "slashing_protection", "dirk", "registry/prysm/validator:v5", "validators=eu", "lighthouse-vc01",
        "--keystore-dir"}) {
    EXPECT_TRUE(names_a_validator(name)) << name;
  }
  for (const char* const name : {"geth.service", "lighthouse-beacon.service", "svc", "geth-svc", "vcenter",
                                 "beacon_node", "127.0.0.1:6060", "", "vault", "relay"}) {
    EXPECT_FALSE(names_a_validator(name)) << name;
  }
}

}  // namespace
}  // namespace actions::protection
