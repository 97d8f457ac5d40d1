// Part of sixteen floats by way of memory, for lanes that cannot load and store a part. Included by
// them, inside their namespace.

// The first n < 16 lanes; the others are `fill`.
static inline Lanes load_first(const float* p, int n, float fill) {
  float buffer[16];
  for (int i = 0; i < 16; ++i) buffer[i] = i < n ? p[i] : fill;
  return load(buffer);
}
static inline void store_first(float* p, Lanes a, int n) {
  float buffer[16];
  store(buffer, a);
  for (int i = 0; i < n; ++i) p[i] = buffer[i];
}
