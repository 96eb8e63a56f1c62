"""Tests of reading, writing and rebuilding Caffe's files."""
