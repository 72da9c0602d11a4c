package main

func dropBinary() {}
