/*
 * Hands the request on stdin to a Nitro enclave's device, and writes the device's answer to stdout; both are CBOR. Node.js has no
 * ioctl. Built into the enclave's image:  cc -O2 -static -o /nsm nsm.c
 *
 * The interface is the Linux kernel's, include/uapi/linux/nsm.h: magic 0x0A, number 0, two buffers by address and length.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

enum { MAX_REQUEST = 0x1000, MAX_ANSWER = 0x3000 };

struct buffer {
  uint64_t address;
  uint64_t length;
};

struct message {
  struct buffer request;
  struct buffer answer;
};

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(void) {
  static uint8_t request[MAX_REQUEST], answer[MAX_ANSWER];
  const size_t length = fread(request, 1, sizeof request, stdin);
  if (ferror(stdin)) return fail("stdin");

  const int device = open("/dev/nsm", O_RDWR);
  if (device < 0) return fail("/dev/nsm");
  struct message message = {{(uintptr_t)request, length}, {(uintptr_t)answer, sizeof answer}};
  if (ioctl(device, _IOWR(0x0A, 0, struct message), &message) != 0) return fail("ioctl");

  if (fwrite(answer, 1, message.answer.length, stdout) != message.answer.length || fflush(stdout) != 0) return fail("stdout");
  return 0;
}
