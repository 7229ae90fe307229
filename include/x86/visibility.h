/* Included before every target file: one static link, so no symbol is anybody else's and none needs
 * a GOT. */
#if !defined(__ASSEMBLY__)
#pragma GCC visibility push(hidden)
#endif
