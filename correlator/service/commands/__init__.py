"""The commands of ``correlator``, one file each; none of them holds an algorithm."""
