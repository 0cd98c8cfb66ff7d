"""Files that others made, read without trust: one boundary of errors, sizes judged before memory is asked for.

`boundary` turns whatever a damaged or hostile file raises into one sentence and judges declared sizes; `archives`,
`numpy_files` and `safetensors_files` read their formats with it; `child` runs readers that cannot be bounded from
inside (HDF5, MATLAB, parquet) in a process with limits; `hdf5` is what such a reader of HDF5 may follow and read.
docs/security.md says what is trusted and what is bounded.
"""
