package image

// storeID names the one store that there is: files of this machine.
const storeID = "file"
