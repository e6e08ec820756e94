"""Configurations: reading and merging files, references, the origin of every value, and what is said when one is wrong.

``files`` reads a YAML file into nodes that know their line, ``arguments`` turns options into such nodes, ``merge`` lays
them over one another, ``references`` resolves ``${...}``, and ``compose`` does all of it in order. What comes out is
one plain mapping that jsonargparse checks and builds from (``parse``); ``mistakes`` explains what it refuses, and
``checks`` what it should.
"""
