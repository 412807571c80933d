// Package powercut pulls the plug of a machine at any moment of its
// installation and looks at what is left.
//
// Killing an emulator loses nothing that the machine wrote: the host's page
// cache keeps it. A real disk forgets what it was not told to flush. So the
// machine's writes and flushes are recorded once, over a whole installation
// ([Log]), and the disk is put together as it was at a moment ([Player]): what
// was flushed is there, of the rest each write is there, lost or torn
// ([Luck]). Any number of moments can be judged without a machine ([State] is
// an io.ReaderAt), and some are booted for real.
//
// The tests of the package do that with a release; the rest is the tape
// recorder. Nobody imports the package.
package powercut
