// SPDX-License-Identifier: Apache-2.0
// cmake/precompiled.h for the test programs.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "cmake/precompiled.h"
