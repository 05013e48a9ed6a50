// What every CredentialStore must do. Instantiate CredentialStoreContract with a factory for each
// implementation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/credential_store.h"

namespace precis::server {

struct CredentialStoreMaker {
  std::string name;
  std::function<std::shared_ptr<CredentialStore>()> make;
};

class CredentialStoreContract : public testing::TestWithParam<CredentialStoreMaker> {
 protected:
  void SetUp() override {
    store_ = GetParam().make();
    ASSERT_NE(store_, nullptr);
  }

  static TokenRecord Token(const std::string& name, char digit = 'a') {
    return {.name = name,
            .hash = std::string(64, digit),
            .role = Role::kSubmit,
            .created_us = 1'700'000'000'000'001,
            .expires_us = 1'800'000'000'000'002};
  }

  TokenRecord Only() {
    const absl::StatusOr<std::vector<TokenRecord>> tokens = store_->ListTokens();
    EXPECT_TRUE(tokens.ok()) << tokens.status();
    EXPECT_EQ(tokens->size(), 1u);
    return tokens->empty() ? TokenRecord{} : tokens->front();
  }

  static AuditRecord Record(const std::string& resource, bool refused = false) {
    return {.time_us = 1'700'000'000'000'003,
            .principal = "ci",
            .method = "/a/B",
            .resource = resource,
            .peer = "ipv4:192.0.2.1:99",
            .code = refused ? 7 : 5,
            .refused = refused};
  }

  std::vector<std::string> Resources(int64_t limit = 100) {
    std::vector<std::string> resources;
    const absl::StatusOr<std::vector<AuditRecord>> records = store_->ListAudit(limit);
    EXPECT_TRUE(records.ok()) << records.status();
    for (const AuditRecord& record : *records) resources.push_back(record.resource);
    return resources;
  }

  std::shared_ptr<CredentialStore> store_;
};

TEST_P(CredentialStoreContract, ATokenComesBackAsItWas) {
  ASSERT_TRUE(store_->InsertToken(Token("ci")).ok());
  const TokenRecord token = Only();
  EXPECT_EQ(token.name, "ci");
  EXPECT_EQ(token.hash, std::string(64, 'a'));
  EXPECT_EQ(token.role, Role::kSubmit);
  EXPECT_EQ(token.created_us, 1'700'000'000'000'001);
  EXPECT_EQ(token.last_used_us, 0);
  EXPECT_EQ(token.expires_us, 1'800'000'000'000'002);
  EXPECT_EQ(token.revoked_us, 0);
}

TEST_P(CredentialStoreContract, NamesAndHashesAreTakenOnce) {
  ASSERT_TRUE(store_->InsertToken(Token("ci")).ok());
  EXPECT_EQ(store_->InsertToken(Token("ci", 'b')).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->InsertToken(Token("other", 'a')).code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(store_->RevokeToken("ci", 5).ok());
  EXPECT_EQ(store_->InsertToken(Token("ci", 'b')).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Only().hash, std::string(64, 'a'));
}

TEST_P(CredentialStoreContract, TokensAreListedByName) {
  for (const auto& [name, digit] : {std::pair{"b", '1'}, {"a", '2'}, {"c", '3'}})
    ASSERT_TRUE(store_->InsertToken(Token(name, digit)).ok());
  std::vector<std::string> names;
  const absl::StatusOr<std::vector<TokenRecord>> tokens = store_->ListTokens();
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  for (const TokenRecord& token : *tokens) names.push_back(token.name);
  EXPECT_THAT(names, testing::ElementsAre("a", "b", "c"));
}

TEST_P(CredentialStoreContract, RevokingHoldsAndKeepsItsFirstTime) {
  EXPECT_EQ(store_->RevokeToken("ci", 5).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->InsertToken(Token("ci")).ok());
  ASSERT_TRUE(store_->InsertToken(Token("other", 'b')).ok());
  EXPECT_EQ(store_->RevokeToken("ci", 5)->revoked_us, 5);
  EXPECT_EQ(store_->RevokeToken("ci", 9)->revoked_us, 5);
  const std::vector<TokenRecord> tokens = *store_->ListTokens();
  EXPECT_EQ(tokens[0].revoked_us, 5);
  EXPECT_EQ(tokens[1].revoked_us, 0);
}

TEST_P(CredentialStoreContract, TheLastUseNeverFalls) {
  EXPECT_TRUE(store_->TouchToken("nobody", 7).ok());
  ASSERT_TRUE(store_->InsertToken(Token("ci")).ok());
  ASSERT_TRUE(store_->TouchToken("ci", 7).ok());
  ASSERT_TRUE(store_->TouchToken("ci", 6).ok());
  EXPECT_EQ(Only().last_used_us, 7);
}

TEST_P(CredentialStoreContract, TheAuditComesBackNewestFirst) {
  ASSERT_TRUE(store_->AppendAudit({Record("first"), Record("second", true)}, 100).ok());
  ASSERT_TRUE(store_->AppendAudit({Record("third")}, 100).ok());
  EXPECT_THAT(Resources(), testing::ElementsAre("third", "second", "first"));
  EXPECT_THAT(Resources(2), testing::ElementsAre("third", "second"));
  const AuditRecord second = store_->ListAudit(2)->at(1);
  EXPECT_EQ(second.time_us, 1'700'000'000'000'003);
  EXPECT_EQ(second.principal, "ci");
  EXPECT_EQ(second.method, "/a/B");
  EXPECT_EQ(second.peer, "ipv4:192.0.2.1:99");
  EXPECT_EQ(second.code, 7);
  EXPECT_TRUE(second.refused);
  EXPECT_EQ(second.number, store_->ListAudit(1)->at(0).number - 1);
}

TEST_P(CredentialStoreContract, TheAuditKeepsSoManyOfEachKind) {
  ASSERT_TRUE(store_->AppendAudit({Record("done 1"), Record("done 2"), Record("done 3")}, 2).ok());
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(store_->AppendAudit({Record(absl::StrCat("refused ", i), true)}, 2).ok());
  EXPECT_THAT(Resources(), testing::ElementsAre("refused 49", "refused 48", "done 3", "done 2"));
}

TEST_P(CredentialStoreContract, NumbersRiseThoughRecordsWereDropped) {
  int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(store_->AppendAudit({Record("x")}, 1).ok());
    const int64_t number = store_->ListAudit(1)->at(0).number;
    EXPECT_GT(number, last);
    last = number;
  }
}

TEST_P(CredentialStoreContract, ManyThreadsAtOnce) {
  ASSERT_TRUE(store_->InsertToken(Token("ci")).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(store_->AppendAudit({Record("x", t % 2 == 0)}, 1000).ok());
        EXPECT_TRUE(store_->TouchToken("ci", t * 100 + i).ok());
        EXPECT_TRUE(store_->ListTokens().ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Resources(1000).size(), 80u);
  EXPECT_EQ(Only().last_used_us, 319);
}

}  // namespace precis::server
