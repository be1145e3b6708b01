// x ** y as V8 works it out.
#ifndef PURSER_TEMPLATE_POWER_H_
#define PURSER_TEMPLATE_POWER_H_

namespace purser::tmpl {

// JavaScript leaves the last bit of a power to the engine, and C's pow, which rounds correctly more
// often, prints other digits than Node for one power in ten.
double Power(double base, double exponent);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_POWER_H_
