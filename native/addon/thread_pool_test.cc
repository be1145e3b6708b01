#include "addon/thread_pool.h"

#include <atomic>
#include <stop_token>
#include <thread>

#include "base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::addon {
namespace {

TEST(ThreadPoolTest, RunsEveryTaskOnce) {
  ThreadPool pool(3);
  std::atomic<int> runs = 0;
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.Submit([&] { ++runs; }).ok());
  while (runs < 500) std::this_thread::yield();
  EXPECT_TRUE(pool.Shutdown(absl::Seconds(10)));
  EXPECT_EQ(runs, 500);
}

TEST(ThreadPoolTest, ComputesOnlyAsManyAtOnceAsAllowed) {
  ThreadPool pool(2);
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  std::atomic<int> done = 0;
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(pool.Submit([&] {
                      const int running = ++now;
                      int seen = most;
                      while (running > seen && !most.compare_exchange_weak(seen, running)) {
                      }
                      std::this_thread::sleep_for(std::chrono::milliseconds(1));
                      --now;
                      ++done;
                    })
                    .ok());
  }
  while (done < 40) std::this_thread::yield();
  EXPECT_LE(most, 2);
}

TEST(ThreadPoolTest, ATaskThatWaitsOutsideLetsOthersRun) {
  ThreadPool pool(1);
  std::stop_source release;
  std::atomic<int> waiting = 0;
  std::atomic<bool> computed = false;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(pool.Submit([&] {
                      const ThreadPool::BlockingScope blocking;
                      ++waiting;
                      base::Clock::System().SleepFor(absl::Seconds(60), release.get_token());
                    })
                    .ok());
  }
  ASSERT_TRUE(pool.Submit([&] { computed = true; }).ok());
  while (!computed || waiting < 5) std::this_thread::yield();
  release.request_stop();
  EXPECT_TRUE(pool.Shutdown(absl::Seconds(10)));
}

TEST(ThreadPoolTest, RefusesWhatWouldWaitTooLongAndAfterShutdown) {
  ThreadPool pool(1);
  std::stop_source release;
  std::atomic<bool> started = false;
  ASSERT_TRUE(pool.Submit([&] {
                    started = true;
                    base::Clock::System().SleepFor(absl::Seconds(60), release.get_token());
                  })
                  .ok());
  while (!started) std::this_thread::yield();
  std::atomic<int> runs = 0;
  // Let go when the queue is dropped: the busy task hears of the end only then.
  std::shared_ptr<void> last(nullptr, [&](void*) { release.request_stop(); });
  for (size_t i = 0; i < kMaxQueuedTasks; ++i) {
    ASSERT_TRUE(pool.Submit([&runs, last] { ++runs; }).ok());
  }
  last.reset();
  EXPECT_EQ(pool.Submit([] {}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(pool.Shutdown(absl::Seconds(10)));
  EXPECT_EQ(runs, 0) << "what had not begun is dropped";
  EXPECT_EQ(pool.Submit([] {}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ThreadPoolTest, ShutdownDoesNotWaitForATaskThatHearsNothing) {
  auto finished = std::make_shared<std::atomic<bool>>(false);
  auto release = std::make_shared<std::atomic<bool>>(false);
  {
    ThreadPool pool(1);
    auto started = std::make_shared<std::atomic<bool>>(false);
    ASSERT_TRUE(pool.Submit([=] {
                      *started = true;
                      while (!*release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
                      *finished = true;
                    })
                    .ok());
    while (!*started) std::this_thread::yield();
    EXPECT_FALSE(pool.Shutdown(absl::Milliseconds(1)));
  }
  EXPECT_FALSE(*finished);
  *release = true;
  while (!*finished) std::this_thread::yield();
}

TEST(ThreadPoolTest, WhatATaskHoldsIsFreedWhenItEnds) {
  ThreadPool pool(2);
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> watch = held;
  ASSERT_TRUE(pool.Submit([held = std::move(held)] { (void)held; }).ok());
  while (!watch.expired()) std::this_thread::yield();
}

}  // namespace
}  // namespace purser::addon
