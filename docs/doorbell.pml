/*
 * How the two ends of a ring in shared memory sleep and wake each other: src/transport/ring.ts, a word or a bell at a step.
 * Spin tries every order of the steps. One in which an end sleeps for ever is an invalid end state:
 *
 *     spin -run -safety docs/doorbell.pml
 *
 * With -DCARELESS_READER, -DCARELESS_WRITER or -DHASTY_WRITER a step is missing or too early, and Spin finds what is lost.
 */
#define SIZE 4   /* of the ring, in messages */
#define TOTAL 9
#define ASLEEP 1
#define AWAKE 2

byte HEAD, TAIL, SLEEP, WAITING, ENDED;
byte readerBell, writerBell;   /* rings that were not heard yet; the bell is a socket, which keeps them */

/* The compare-and-exchange makes one ring of each sleep. */
inline wakeReader() {
  if
  :: SLEEP == ASLEEP ->
     if
     :: atomic { SLEEP == ASLEEP -> SLEEP = AWAKE }; readerBell++
     :: else
     fi
  :: else
  fi
}

/* Only for half a ring: a writer that is woken for each message has room for one. */
inline wakeWriter() {
  if
  :: WAITING == 1 && seen - own <= SIZE / 2 ->
     if
     :: atomic { WAITING == 1 -> WAITING = 0 }; writerBell++
     :: else
     fi
  :: else
  fi
}

active proctype writer() {
  byte own, seen;   /* how many were put; TAIL when it was read last */
  do
  :: own < TOTAL ->
     if
     :: own - seen < SIZE ->
        own++;
#ifdef HASTY_WRITER
        wakeReader();
        HEAD = own
#else
        HEAD = own;
        wakeReader()
#endif
     :: else ->
        seen = TAIL;
        if
        :: own - seen < SIZE
        :: else ->
           WAITING = 1;
#ifndef CARELESS_WRITER
           seen = TAIL;
#endif
           if
           :: own - seen == SIZE -> writerBell > 0; writerBell--
           :: else -> WAITING = 0
           fi
        fi
     fi
  :: else -> break
  od;
  TAIL == TOTAL;   /* as who waits for the answer to the last message */
  ENDED = 1;
  wakeReader()
}

active proctype reader() {
  byte own, seen;   /* how many were taken; HEAD when it was read last */
  bool ended;
  SLEEP = AWAKE;
  do
  :: ended = ENDED;
     seen = HEAD;
     if
     :: seen > own ->
        own++;
        TAIL = own;
        wakeWriter()
     :: seen == own && ended -> break
     :: seen == own && !ended ->
        SLEEP = ASLEEP;
#ifndef CARELESS_READER
        seen = HEAD;
        ended = ENDED;
#endif
        if
        :: seen == own && !ended -> readerBell > 0; readerBell--
        :: else -> SLEEP = AWAKE
        fi
     fi
  od;
  assert(own == TOTAL)
}
