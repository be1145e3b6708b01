# Toolchain settings and the two functions by which every folder declares itself.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# One compilation serves the addon (a shared object) and the programs.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(PURSER_SANITIZE)
  # Clang without optimisation compiles instrumented code in a third of GCC's time.
  add_compile_options(-O0 -g1)
elseif(CMAKE_BUILD_TYPE STREQUAL "Debug")
  # -g1 keeps lines for stack traces and halves compile time and disk use.
  add_compile_options(-O1 -g1)
else()
  add_compile_options(-ffunction-sections -fdata-sections -fstack-protector-strong)
  add_compile_definitions(_FORTIFY_SOURCE=2)
  add_link_options(-Wl,--gc-sections -Wl,-z,relro -Wl,-z,now)
  # With optimisation GCC 12 raises false alarms of these two in std::string and intrusive counters
  # (its bugs 105651 and 105562); they stay on in debug builds.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-restrict -Wno-array-bounds)
  endif()
endif()
if(PURSER_SANITIZE)
  add_compile_options(-fsanitize=${PURSER_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  # lld links these large programs in a quarter of the time of GNU's ld.
  add_link_options(-fsanitize=${PURSER_SANITIZE} -fuse-ld=lld)
endif()
add_compile_options(-Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Debian's Abseil is compiled by GCC, whose names of constrained templates Clang took up until 17;
  # and std::stable_sort of GCC's library itself uses what it declares deprecated.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fclang-abi-compat=17>
                      $<$<COMPILE_LANGUAGE:CXX>:-Wno-deprecated-declarations>)
endif()

if(PURSER_STATIC)
  set(OPENSSL_USE_STATIC_LIBS ON)
  set(ZLIB_USE_STATIC_LIBS ON)
endif()
find_package(Threads REQUIRED)
include(Abseil)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(spdlog REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
if(PURSER_STATIC)
  # pkg-config names the shared objects; the archives stand beside them.
  find_library(PURSER_YAML_ARCHIVE NAMES libyaml.a REQUIRED)
  find_library(PURSER_SQLITE_ARCHIVE NAMES libsqlite3.a REQUIRED)
  set_target_properties(PkgConfig::yaml PROPERTIES
    INTERFACE_LINK_LIBRARIES ${PURSER_YAML_ARCHIVE})
  set_target_properties(PkgConfig::sqlite3 PROPERTIES
    INTERFACE_LINK_LIBRARIES "${PURSER_SQLITE_ARCHIVE};m;${CMAKE_DL_LIBS};Threads::Threads")
endif()
# Programs of many threads take this allocator: glibc's hands what one thread made and another gives
# back through locks, and keeps it. Sanitizers bring their own.
add_library(purser_allocator INTERFACE)
if(NOT PURSER_SANITIZE)
  find_library(PURSER_JEMALLOC NAMES libjemalloc_pic.a REQUIRED)
  target_link_libraries(purser_allocator INTERFACE
    ${PURSER_JEMALLOC} m ${CMAKE_DL_LIBS} Threads::Threads)
endif()
include(Grpc)
include(Fuzz) # before the precompiled headers, which take its options

# purser_spdlog: logging of the programs (the addon logs through the portal). Debian has no archive of
# spdlog or fmt, so static programs compile the headers.
add_library(purser_spdlog INTERFACE)
if(PURSER_STATIC)
  target_compile_definitions(purser_spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)
  target_link_libraries(purser_spdlog INTERFACE Threads::Threads)
else()
  target_link_libraries(purser_spdlog INTERFACE spdlog::spdlog)
endif()
if(PURSER_TESTS)
  add_custom_target(purser_tests)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# What every folder may use: Abseil's headers and JSON.
add_library(purser_common INTERFACE)
target_include_directories(purser_common INTERFACE ${CMAKE_SOURCE_DIR}/native ${CMAKE_SOURCE_DIR})
target_link_libraries(purser_common INTERFACE
  nlohmann_json::nlohmann_json absl::status absl::statusor absl::strings absl::str_format
  absl::time absl::span absl::flat_hash_map absl::flat_hash_set Threads::Threads)

# The headers that nearly every file reads, compiled once per kind of target: half of the time of a
# sanitizer build. Other builds do without, so that the compiler cache serves any checkout and a
# missing #include is seen.
set(PURSER_COMMON_HEADERS <algorithm> <cstdint> <filesystem> <fstream> <functional> <map> <memory>
  <optional> <string> <utility> <vector> <absl/container/flat_hash_map.h>
  <absl/container/flat_hash_set.h> <absl/status/status.h> <absl/status/statusor.h>
  <absl/strings/match.h> <absl/strings/str_cat.h> <absl/strings/str_format.h>
  <absl/strings/str_join.h> <absl/strings/str_split.h> <absl/time/time.h> <absl/types/span.h>
  <nlohmann/json.hpp>)
if(PURSER_SANITIZE)
  # Without times in it, the same headers give the same bytes for the compiler cache.
  add_compile_options("SHELL:$<$<COMPILE_LANGUAGE:CXX>:-Xclang -fno-pch-timestamp>")
  add_library(purser_precompiled STATIC ${CMAKE_SOURCE_DIR}/native/cmake/precompiled.cc)
  target_link_libraries(purser_precompiled PRIVATE purser_common)
  target_precompile_headers(purser_precompiled PRIVATE ${PURSER_COMMON_HEADERS})
  if(PURSER_TESTS)
    add_executable(purser_precompiled_test ${CMAKE_SOURCE_DIR}/native/cmake/precompiled.cc)
    target_link_libraries(purser_precompiled_test
      PRIVATE purser_common GTest::gmock GTest::gtest_main)
    target_precompile_headers(purser_precompiled_test
      PRIVATE ${PURSER_COMMON_HEADERS} <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endif()

# purser_library(<folder> SRCS a.cc … DEPS purser_base …): static library purser_<folder>.
function(purser_library name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  string(REPLACE "-" "_" target purser_${name})
  add_library(${target} STATIC ${arg_SRCS})
  target_link_libraries(${target} PUBLIC purser_common ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
  if(PURSER_SANITIZE)
    target_precompile_headers(${target} REUSE_FROM purser_precompiled)
  endif()
endfunction()

# purser_test(<name> SRCS a_test.cc … DEPS purser_x … [LABELS concurrent]): one GoogleTest program.
# The label `concurrent` puts it into the ThreadSanitizer run as well.
# All of them are the target purser_tests.
function(purser_test name)
  if(NOT PURSER_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SRCS;DEPS;LABELS" ${ARGN})
  foreach(source ${arg_SRCS})
    # Only these carry the path of the checkout, so that the compiler cache serves any checkout. The
    # header of tests at a peer has it start the peer's script.
    file(STRINGS ${source} uses REGEX "PURSER_SOURCE_DIR|tests/peers/.*_peer[.]h" LIMIT_COUNT 1)
    if(uses)
      set_source_files_properties(${source} PROPERTIES COMPILE_DEFINITIONS
        PURSER_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    endif()
  endforeach()
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} purser_common GTest::gmock GTest::gtest_main)
  if(PURSER_SANITIZE)
    target_precompile_headers(${name} REUSE_FROM purser_precompiled_test)
  endif()
  # Tests are compiled once and run once; what they test keeps the build type's own level.
  if(NOT PURSER_SANITIZE)
    target_compile_options(${name} PRIVATE -O1)
  endif()
  if(PURSER_SANITIZE STREQUAL "thread" AND NOT "concurrent" IN_LIST arg_LABELS)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
    return()
  endif()
  add_dependencies(purser_tests ${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  # Seconds, for what hangs. The longest take half a minute here, a slow machine and a sanitizer many
  # times as long.
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 600)
endfunction()
