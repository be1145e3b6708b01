#!/bin/sh
set -e
tsc -b ../../${{ values.name }}
