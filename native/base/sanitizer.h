// Whether this program runs under a sanitizer: for code that must not hide memory from it, and for
// tests that measure what a sanitizer distorts.
#ifndef PURSER_BASE_SANITIZER_H_
#define PURSER_BASE_SANITIZER_H_

namespace purser::base {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#else
inline constexpr bool kAddressSanitizer = false;
#endif

}  // namespace purser::base

#endif  // PURSER_BASE_SANITIZER_H_
