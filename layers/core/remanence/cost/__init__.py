"""`remanence cost`: what a month costs on Lambda, and where a container would be cheaper."""
