// 2 ** (y * log2(x)), both steps with a head of few bits, whose products are exact, and a tail. The
// splitting and the polynomials are those that Sun published with fdlibm, which V8 computes by: the
// same constants in the same order of operations give the same bits.
#include "template/power.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace purser::tmpl {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// log2 of one plus a fraction, by powers of ((x-1)/(x+1))²; cp is 2/(3 ln 2).
constexpr double kLog[] = {5.99999999999994648725e-01, 4.28571428578550184252e-01,
                           3.33333329818377432918e-01, 2.72728123808534006489e-01,
                           2.30660745775561754067e-01, 2.06975017800338417784e-01};
constexpr double kCp = 9.61796693925975554329e-01;
constexpr double kCpHead = 9.61796700954437255859e-01;
constexpr double kCpTail = -7.02846165095275826516e-09;
// log2 of 1 and of 1.5.
constexpr double kCentre[] = {1.0, 1.5};
constexpr double kCentreLogHead[] = {0.0, 5.84962487220764160156e-01};
constexpr double kCentreLogTail[] = {0.0, 1.35003920212974897128e-08};
// 1 / ln 2.
constexpr double kInverseLn2 = 1.44269504088896338700e+00;
constexpr double kInverseLn2Head = 1.44269502162933349609e+00;
constexpr double kInverseLn2Tail = 1.92596299112661746887e-08;
// e to a small power.
constexpr double kExp[] = {1.66666666666666019037e-01, -2.77777777770155933842e-03,
                           6.61375632143793436117e-05, -1.65339022054652515390e-06,
                           4.13813679705723846039e-08};
constexpr double kLn2 = 6.93147180559945286227e-01;
constexpr double kLn2Head = 6.93147182464599609375e-01;
constexpr double kLn2Tail = -1.90465429995776804525e-09;
// What lies between 1024 and the exponent at which rounding overflows.
constexpr double kOverflowMargin = 8.0085662595372944372e-17;

uint64_t BitsOf(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

double FromBits(uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

int32_t HighWord(double value) { return static_cast<int32_t>(BitsOf(value) >> 32); }
double FromHighWord(int32_t word) {
  return FromBits(static_cast<uint64_t>(static_cast<uint32_t>(word)) << 32);
}
double Head(double value) { return FromBits(BitsOf(value) & 0xffffffff00000000); }

struct Split {
  double head;
  double tail;
};

// log2 of a positive number that is near 1, for exponents above 2 ** 31.
Split LogNearOne(double x) {
  const double t = x - 1;  // at most 2 ** -20 in size
  const double w = (t * t) * (0.5 - t * (0.3333333333333333333333 - t * 0.25));
  const double u = kInverseLn2Head * t;
  const double v = t * kInverseLn2Tail - w * kInverseLn2;
  const double head = Head(u + v);
  return {head, v - (head - u)};
}

Split Log2(double x) {
  int scale = 0;
  if (HighWord(x) < 0x00100000) {  // subnormal
    x *= 9007199254740992.0;
    scale = -53;
  }
  scale += (HighWord(x) >> 20) - 0x3ff;
  const int32_t fraction = HighWord(x) & 0x000fffff;
  int32_t high = fraction | 0x3ff00000;
  int k = 0;  // the centre: 1 below sqrt(3/2), 1.5 below sqrt(3), else 1 of the next octave
  if (fraction > 0x3988e && fraction < 0xbb67a) {
    k = 1;
  } else if (fraction >= 0xbb67a) {
    ++scale;
    high -= 0x00100000;
  }
  x = FromBits((BitsOf(x) & 0xffffffff) | static_cast<uint64_t>(high) << 32);

  const double u = x - kCentre[k];
  const double v = 1.0 / (x + kCentre[k]);
  const double s = u * v;
  const double s_head = Head(s);
  const double sum_head = FromHighWord(((high >> 1) | 0x20000000) + 0x00080000 + (k << 18));
  const double sum_tail = x - (sum_head - kCentre[k]);
  const double s_tail = v * ((u - s_head * sum_head) - s_head * sum_tail);
  const double s2 = s * s;
  double r =
      s2 * s2 *
      (kLog[0] + s2 * (kLog[1] + s2 * (kLog[2] + s2 * (kLog[3] + s2 * (kLog[4] + s2 * kLog[5])))));
  r += s_tail * (s_head + s);
  const double square = s_head * s_head;
  const double t_head = Head(3.0 + square + r);
  const double t_tail = r - ((t_head - 3.0) - square);
  const double p = s_head * t_head;
  const double q = s_tail * t_head + t_tail * s;
  const double p_head = Head(p + q);
  const double p_tail = q - (p_head - p);
  const double z_head = kCpHead * p_head;
  const double z_tail = kCpTail * p_head + p_tail * kCp + kCentreLogTail[k];
  const double whole = scale;
  const double head = Head(((z_head + z_tail) + kCentreLogHead[k]) + whole);
  return {head, z_tail - (((head - whole) - kCentreLogHead[k]) - z_head)};
}

// 2 ** (head + tail); 0 or infinity when that is out of range.
double Exp2(double head, double tail) {
  const double sum = tail + head;
  if (sum > 1024 || (sum == 1024 && tail + kOverflowMargin > sum - head)) return kInfinity;
  if (sum < -1075 || (sum == -1075 && tail <= sum - head)) return 0;
  const int32_t high = HighWord(sum);
  int32_t n = 0;
  if ((high & 0x7fffffff) > 0x3fe00000) {  // more than a half: take the nearest whole number away
    int32_t exponent = ((high & 0x7fffffff) >> 20) - 0x3ff;
    const int32_t rounded = high + (0x00100000 >> (exponent + 1));
    exponent = ((rounded & 0x7fffffff) >> 20) - 0x3ff;
    const double whole = FromHighWord(rounded & ~(0x000fffff >> exponent));
    n = ((rounded & 0x000fffff) | 0x00100000) >> (20 - exponent);
    if (high < 0) n = -n;
    head -= whole;
  }
  const double t = Head(tail + head);
  const double u = t * kLn2Head;
  const double v = (tail - (t - head)) * kLn2 + t * kLn2Tail;
  double z = u + v;
  const double w = v - (z - u);
  const double z2 = z * z;
  const double e =
      z - z2 * (kExp[0] + z2 * (kExp[1] + z2 * (kExp[2] + z2 * (kExp[3] + z2 * kExp[4]))));
  // The tail stands below the stroke in V8, which costs the last bit now and then.
  const double r = (z * e) / ((e - 2.0) - (w + z * w));
  z = 1.0 - (r - z);
  const int32_t scaled = HighWord(z) + static_cast<int32_t>(static_cast<uint32_t>(n) << 20);
  if ((scaled >> 20) <= 0) return std::scalbn(z, n);  // subnormal
  return FromBits((BitsOf(z) & 0xffffffff) | static_cast<uint64_t>(static_cast<uint32_t>(scaled))
                                                 << 32);
}

}  // namespace

double Power(double base, double exponent) {
  const double size = std::fabs(base);
  if (exponent == 0) return 1;
  if (std::isnan(base) || std::isnan(exponent)) return kNaN;
  if (std::isinf(exponent)) {
    if (size == 1) return kNaN;
    return (size > 1) == (exponent > 0) ? kInfinity : 0;
  }
  if (exponent == 1) return base;
  if (exponent == -1) return 1 / base;
  if (exponent == 2) return base * base;
  const bool whole = std::trunc(exponent) == exponent;
  const bool odd = whole && std::fmod(exponent, 2) != 0;
  if (exponent == 0.5 && base >= 0 && !std::signbit(base)) return std::sqrt(base);
  if (size == 0 || size == 1 || std::isinf(base)) {
    const double result = exponent < 0 ? 1 / size : size;
    if (!std::signbit(base)) return result;
    if (size == 1 && !whole) return kNaN;
    return odd ? -result : result;
  }
  if (base < 0 && !whole) return kNaN;
  const double sign = base < 0 && odd ? -1 : 1;

  Split log;
  if (std::fabs(exponent) > 2147483648.0) {
    const int32_t high = HighWord(size);
    if (high < 0x3fefffff) return sign * (exponent < 0 ? kInfinity : 0);
    if (high > 0x3ff00000) return sign * (exponent > 0 ? kInfinity : 0);
    if (std::fabs(exponent) > 1.8446744073709552e19) {
      return sign * ((size < 1) == (exponent < 0) ? kInfinity : 0);
    }
    log = LogNearOne(size);
  } else {
    log = Log2(size);
  }
  const double exponent_head = Head(exponent);
  const double tail = (exponent - exponent_head) * log.head + exponent * log.tail;
  return sign * Exp2(exponent_head * log.head, tail);
}

}  // namespace purser::tmpl
